package doctor_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/internal/doctor"
	"flowkeeper/test/python"
)

//go:embed requirements.txt
var requirements string

// moto is the moto_server of this test process: LocalStack has no CloudTrail.
type moto struct {
	once sync.Once
	url  string
	err  error
	cmd  *exec.Cmd
	out  bytes.Buffer
}

var motoServer moto

func (m *moto) get(t *testing.T) string {
	t.Helper()
	if os.Getenv("SHORT") == "1" {
		t.Skip("SHORT=1: left out, as it needs moto")
	}
	m.once.Do(func() { m.err = m.start() })
	if m.err != nil {
		t.Fatalf("no moto to test against: %v", m.err)
	}
	return m.url
}

func (m *moto) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := python.Environment(ctx, "moto", requirements, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a listener's address has a port
	l.Close()
	m.url = "http://127.0.0.1:" + port
	m.cmd = exec.Command(python.Interpreter(dir), "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	m.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	if err := m.cmd.Start(); err != nil {
		return err
	}
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		if r, err := http.Get(m.url + "/moto-api/"); err == nil {
			return r.Body.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("moto does not answer"), m.stop())
		case <-every.C:
		}
	}
}

func (m *moto) stop() error {
	if m.cmd == nil || m.cmd.Process == nil {
		return nil
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	var killed *exec.ExitError
	if err := m.cmd.Wait(); !errors.As(err, &killed) {
		return err
	}
	return nil
}

// account is one of the test's own, in moto.
func (m *moto) account(t *testing.T, id string) aws.Config {
	t.Helper()
	cfg := aws.Config{Region: region, BaseEndpoint: aws.String(m.get(t)), Credentials: static("any", "any", "")}
	out, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + id + ":role/flowkeeper"), RoleSessionName: aws.String("test"),
	})
	must(t, err)
	c := out.Credentials
	cfg.Credentials = static(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return cfg
}

func TestTrail(t *testing.T) {
	t.Parallel()
	cfg := motoServer.account(t, "111122224444")
	examined := func() results {
		t.Helper()
		return examine(t, newDoctor(t, cfg, motoServer.url+"/111122224444/flowkeeper"))
	}
	examined().expect(t, "trail", doctor.Fail, "no trail covers this Region", "create-trail")

	bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("trail-logs"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(t, err)
	api := cloudtrail.NewFromConfig(cfg)
	_, err = api.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: aws.String("all"), S3BucketName: aws.String("trail-logs"), IsMultiRegionTrail: aws.Bool(true)})
	must(t, err)
	examined().expect(t, "trail", doctor.Fail, "all does not log", "aws cloudtrail start-logging --name arn:aws:cloudtrail:eu-west-1:111122224444:trail/all")

	_, err = api.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("all")})
	must(t, err)
	examined().expect(t, "trail", doctor.OK, "all logs")

	_, err = api.PutEventSelectors(t.Context(), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("all"),
		EventSelectors: []types.EventSelector{{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true)}}})
	must(t, err)
	examined().expect(t, "trail", doctor.Fail, "does not log management write events", "put-event-selectors")

	write := func(field string, equals ...string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: &field, Equals: equals}
	}
	_, err = api.PutEventSelectors(t.Context(), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("all"),
		AdvancedEventSelectors: []types.AdvancedEventSelector{{FieldSelectors: []types.AdvancedFieldSelector{write("eventCategory", "Management"), write("readOnly", "false")}}}})
	must(t, err)
	examined().expect(t, "trail", doctor.OK, "all logs")
}
