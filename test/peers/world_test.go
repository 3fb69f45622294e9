//go:build peers

package peers_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"flowkeeper/test/python"
)

//go:embed requirements.txt
var requirements string

const (
	account = "123456789012" // moto's
	region  = "eu-west-1"
	bucket  = "flow-logs"
	format  = "${version} ${account-id} ${srcaddr} ${dstaddr}"
)

// world is a moto with VPCs that have a flow log each.
type world struct {
	python  string // directory of the environment
	direct  aws.Config
	ec2     *ec2.Client // calls moto directly, not through the proxy
	proxy   string      // URL that the peers use as AWS
	vpcs    []string
	created *creates
}

func newWorld(t *testing.T, flowLogs int) *world {
	t.Helper()
	dir, err := python.Environment(t.Context(), "peers", requirements, t.Logf)
	must(t, err)
	moto := startMoto(t, dir)
	w := &world{python: dir, created: &creates{answered: make(chan time.Time, 1000), polled: make(chan struct{}, 1)}}
	w.direct = aws.Config{Region: region, BaseEndpoint: &moto, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	w.ec2 = ec2.NewFromConfig(w.direct)
	to, err := url.Parse(moto)
	must(t, err)
	forward := httputil.NewSingleHostReverseProxy(to)
	forward.ErrorLog = log.New(io.Discard, "", 0) // a long poll that ends with the daemon would be logged
	proxy := httptest.NewServer(w.created.noting(forward))
	t.Cleanup(proxy.Close)
	w.proxy = proxy.URL
	w.plant(t, flowLogs)
	return w
}

// plant makes the VPCs, except for the one that moto has, and their flow logs.
func (w *world) plant(t *testing.T, n int) {
	t.Helper()
	_, err := s3.NewFromConfig(w.direct, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(t, err)
	out, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	must(t, err)
	for _, v := range out.Vpcs {
		w.vpcs = append(w.vpcs, aws.ToString(v.VpcId))
	}
	for len(w.vpcs) < n {
		v, err := w.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String(fmt.Sprintf("10.%d.%d.0/24", len(w.vpcs)/256, len(w.vpcs)%256))})
		must(t, err)
		w.vpcs = append(w.vpcs, aws.ToString(v.Vpc.VpcId))
	}
	made, err := w.ec2.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{ResourceType: types.FlowLogsResourceTypeVpc, ResourceIds: w.vpcs, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::" + bucket), LogFormat: aws.String(format), MaxAggregationInterval: aws.Int32(60)})
	must(t, err)
	if len(made.FlowLogIds) != n {
		t.Fatalf("made %d flow logs, want %d", len(made.FlowLogIds), n)
	}
}

func byResource(id string) []types.Filter {
	return []types.Filter{{Name: aws.String("resource-id"), Values: []string{id}}}
}

// startMoto starts a moto that ends with the test, and returns its URL.
func startMoto(t *testing.T, environment string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, errors.Join(err, l.Close()))
	out := startPython(t, environment, nil, "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
	moto := "http://127.0.0.1:" + port
	for ctx := within(t); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(moto + "/moto-api/"); err == nil {
			must(t, r.Body.Close())
			return moto
		}
	}
	t.Fatalf("moto does not answer:\n%s", out)
	return ""
}

// startPython starts a program of the environment, which ends with the test. It returns what the program has
// printed once it has ended.
func startPython(t *testing.T, environment string, prepare func(*exec.Cmd), args ...string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(python.Interpreter(environment), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	if prepare != nil {
		prepare(cmd)
	}
	must(t, cmd.Start())
	t.Cleanup(func() {
		var killed *exec.ExitError
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil && !errors.As(err, &killed) {
			t.Error(err)
		}
	})
	return &out
}

// creates notes when CreateFlowLogs calls were answered.
type creates struct {
	answered chan time.Time
	polled   chan struct{} // has a value once somebody has asked for messages
}

// noting is a handler that passes requests on to another handler, and notes the creates.
func (c *creates) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
			select {
			case c.polled <- struct{}{}:
			default:
			}
		}
		next.ServeHTTP(rw, r)
		if strings.Contains(string(body), "Action=CreateFlowLogs&") {
			c.answered <- time.Now()
		}
	})
}

func (c *creates) forget() {
	for len(c.answered) > 0 {
		<-c.answered
	}
}

// await is when the next create is answered.
func (c *creates) await(t *testing.T) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case at := <-c.answered:
		return at
	case <-ctx.Done():
		t.Fatal("no create within a minute")
		return time.Time{}
	}
}
