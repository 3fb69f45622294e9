package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	many     = 100_000 // flow logs
	serveEnv = "FLOWKEEPER_BENCH_SERVE"
)

// TestMain also runs the AWS of BenchmarkRefresh in a process of its own, so that the memory and CPU time of that
// AWS are not counted as Flowkeeper's. It also runs the bare loop of BenchmarkOrganization in its own process, so
// that garbage collection costs it as much as Flowkeeper.
func TestMain(m *testing.M) {
	if text := os.Getenv(bareEnv); text != "" {
		if err := bareMain(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(serveEnv) == "" {
		os.Exit(m.Run())
	}
	w := fakeawstest.New(fakeawstest.Options{})
	w.AddDestination(bucket)
	for n := range many {
		w.Plant(account, region, flowLog(vpc(n)))
	}
	w.CreateQueue(account, region, "flowkeeper", nil)
	u := w.User(account, "flowkeeper", true)
	url, _, err := w.Listen()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(url, u.AccessKeyID, u.SecretAccessKey)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
}

// BenchmarkRefresh measures the second refresh of many flow logs by the real binary, in which nothing has changed,
// against a bare paginator.
func BenchmarkRefresh(b *testing.B) {
	url, key, secret := serve(b)
	dir := disk(b)
	config := filepath.Join(dir, "flowkeeper.yaml")
	must(b, os.WriteFile(config, fmt.Appendf(nil, "queue: {url: %q}\naws: {region: %s, endpoint_url: %q}\nstate: {path: %q}\ninventory: {schedule: \"@every 1h\"}\nhttp: {listen: \"\"}\nlog: {format: json}\n",
		url+"/queue/"+region+"/"+account+"/flowkeeper", region, url, filepath.Join(dir, "state.db")), 0o600))
	refresh := func() (time.Duration, int64) { return daemonRefresh(b, config, key, secret) }
	first, firstRSS := refresh()
	second, secondRSS := refresh()
	bare := bareList(b, url, key, secret)
	for range 2 { // the best of three, because other work on the machine disturbs
		again, rss := refresh()
		second, secondRSS = min(second, again), max(secondRSS, rss)
		bare = min(bare, bareList(b, url, key, secret))
	}
	size, err := os.Stat(binary(b))
	must(b, err)
	b.Logf("\nrefresh of %d flow logs: first %.1f s (peak RSS %d MB); second, unchanged, %.1f s (peak RSS %d MB); bare paginator %.1f s, ratio %.2f\nstatic binary: %.1f MB",
		many, first.Seconds(), firstRSS, second.Seconds(), secondRSS, bare.Seconds(), ratio(second, bare), float64(size.Size())/1e6)
	b.ReportMetric(ratio(second, bare), "refresh/bare")
	b.ReportMetric(float64(secondRSS), "RSS-MB")
	b.ReportMetric(float64(size.Size())/1e6, "binary-MB")
	b.ReportMetric(0, "ns/op")
}

// bareList is how long the SDK's paginator takes if nothing is done with the pages.
func bareList(b *testing.B, url, key, secret string) time.Duration {
	client := ec2.New(ec2.Options{Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
	began := time.Now()
	listed := 0
	for p := ec2.NewDescribeFlowLogsPaginator(client, &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(1000)}); p.HasMorePages(); {
		page, err := p.NextPage(b.Context())
		must(b, err)
		listed += len(page.FlowLogs)
	}
	if listed != many {
		b.Fatalf("%d listed", listed)
	}
	return time.Since(began)
}

// daemonRefresh runs the daemon until its first refresh is done, and returns
// how long that took and the most memory that the process ever had, in MB.
func daemonRefresh(b *testing.B, config, key, secret string) (time.Duration, int64) {
	c := exec.CommandContext(within(b, time.Minute), binary(b), "run", "--config", config)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_SESSION_TOKEN=")
	log, err := c.StderrPipe()
	must(b, err)
	must(b, c.Start())
	var took time.Duration
	for lines := bufio.NewScanner(log); took == 0 && lines.Scan(); {
		var l struct {
			Level, Msg, Took string
			Listed           int
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			b.Errorf("a line that is no JSON: %s", lines.Bytes())
		}
		if l.Level != "INFO" {
			b.Logf("the daemon says: %s", lines.Bytes())
		}
		if l.Msg == "refreshed" && l.Listed == many {
			took, err = time.ParseDuration(l.Took)
			must(b, err)
		}
	}
	must(b, c.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, log)
	if err := c.Wait(); err != nil || took == 0 {
		b.Fatalf("the daemon ended after a refresh of %s with %v", took, err)
	}
	return took, c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss / 1024
}

// serve starts the AWS in another process, and stops it when the benchmark ends.
func serve(b *testing.B) (url, key, secret string) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), serveEnv+"=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	must(b, err)
	out, err := c.StdoutPipe()
	must(b, err)
	must(b, c.Start())
	b.Cleanup(func() { in.Close(); must(b, c.Wait()) })
	line, err := bufio.NewReader(out).ReadString('\n')
	must(b, err)
	_, err = fmt.Sscan(line, &url, &key, &secret)
	must(b, err)
	return url, key, secret
}
