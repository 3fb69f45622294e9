// Package bench_test compares the whole program with bare loops over the SDK that make the same
// calls, in one run on one machine: `make bench`. No benchmark asserts a time; people judge the ratios.
package bench_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	bucket  = "arn:aws:s3:::flow-logs"
)

// bed is an AWS with a queue, behind a real listener, and a receiver of
// alerts.
type bed struct {
	b        testing.TB
	world    *fakeawstest.World
	url      string // of AWS
	queueURL string
	queue    string // ARN
	ec2      *ec2.Client
	sqs      *sqs.Client
	pager    string // URL

	paged    chan time.Time    // deletion alerts received
	about    string            // the flow log that an alert must name to be noted; empty: any
	resource map[string]string // by flow log
}

func newBed(b testing.TB, latency time.Duration) *bed {
	s := &bed{b: b, world: fakeawstest.New(fakeawstest.Options{Latency: latency}), paged: make(chan time.Time, 10000), resource: map[string]string{}}
	url, stop, err := s.world.Listen()
	must(b, err)
	b.Cleanup(func() { must(b, stop()) })
	s.url = url
	_, s.queue = s.world.CreateQueue(account, region, "flowkeeper", nil)
	s.queueURL = url + "/queue/" + region + "/" + account + "/flowkeeper"
	s.world.AddDestination(bucket)
	s.ec2 = ec2.New(ec2.Options{Region: region, BaseEndpoint: &url, Credentials: s.user(), RetryMaxAttempts: 1})
	s.sqs = sqs.New(sqs.Options{Region: region, BaseEndpoint: &url, Credentials: s.user()})
	pager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		if body, err := io.ReadAll(r.Body); err == nil && !strings.Contains(string(body), `"kind":"restored"`) && strings.Contains(string(body), s.about) {
			s.paged <- at
		}
	}))
	b.Cleanup(pager.Close)
	s.pager = pager.URL
	return s
}

func (s *bed) user() aws.CredentialsProvider {
	u := s.world.User(account, "flowkeeper", true)
	return credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")
}

func vpc(n int) string { return fmt.Sprintf("vpc-%017x", n+1) }

// plant makes n flow logs, one a VPC.
func (s *bed) plant(n int) (ids []string) {
	for i := range n {
		id := s.world.Plant(account, region, flowLog(vpc(i)))
		s.resource[id] = vpc(i)
		ids = append(ids, id)
	}
	return ids
}

func flowLog(vpc string) fakeaws.FlowLog {
	return fakeaws.FlowLog{ResourceID: vpc, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket,
		LogFormat: "${version} ${account-id} ${srcaddr} ${dstaddr}", MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": vpc, "Owner": "network"}}
}

// deletion is the message that EventBridge sends of a DeleteFlowLogs call.
func deletion(id string) string {
	return deletionIn(inventory.Scope{Account: account, Region: region}, id)
}

// deletionIn is the message of a deletion in a scope.
func deletionIn(s inventory.Scope, id string) string {
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"0","id":%[1]q,"detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":%[2]q,"time":%[4]q,"region":%[3]q,"resources":[],`+
		`"detail":{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[5]s:user/mallory","accountId":%[2]q,"accessKeyId":"AKIAEXAMPLE"},`+
		`"eventTime":%[4]q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":%[3]q,"sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2",`+
		`"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":%[1]q}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}},`+
		`"eventID":"event-of-%[6]s","recipientAccountId":%[2]q,"eventType":"AwsApiCall"}}`, id, s.Account, s.Region, now, s.Account, id)
}

// other is a message without a watched call, of usual size.
func other(n int) string {
	return fmt.Sprintf(`{"version":"0","id":"%08d-1111-4111-8111-111111111111","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":%[2]q,"region":%[3]q,"resources":[],`+
		`"detail":{"eventVersion":"1.10","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::%[2]s:assumed-role/deploy/session","accountId":%[2]q},`+
		`"eventTime":"2026-01-01T00:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"ModifyInstanceAttribute","awsRegion":%[3]q,"sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2",`+
		`"requestParameters":{"instanceId":"i-0123456789abcdef0","disableApiTermination":{"value":true}},"responseElements":{"requestId":"x","_return":true},`+
		`"eventID":"%08[1]d-2222-4222-8222-222222222222","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%[2]q}}`, n, account, region)
}

// spread is the median and the 90th percentile.
type spread struct{ median, p90 time.Duration }

func spreadOf(d []time.Duration) spread {
	slices.Sort(d)
	return spread{d[len(d)/2], d[len(d)*9/10]}
}

func (s spread) String() string {
	return fmt.Sprintf("median %6.1f ms, p90 %6.1f ms", ms(s.median), ms(s.p90))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// disk is a directory on a real disk, next to the repository: /tmp may be in memory.
func disk(b testing.TB) string {
	dir, err := filepath.Abs("../../bin")
	must(b, err)
	must(b, os.MkdirAll(dir, 0o755))
	tmp, err := os.MkdirTemp(dir, "bench-")
	must(b, err)
	b.Cleanup(func() { must(b, os.RemoveAll(tmp)) })
	return tmp
}

// commit is how long the disk takes to make one page durable. No program that commits before it answers can be
// faster.
func commit(b testing.TB) spread {
	f, err := os.Create(filepath.Join(disk(b), "commit"))
	must(b, err)
	defer f.Close()
	var times []time.Duration
	for range 100 {
		began := time.Now()
		_, err := f.Write(make([]byte, 4096))
		must(b, err)
		must(b, f.Sync())
		times = append(times, time.Since(began))
	}
	return spreadOf(times)
}

func within(b testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), d)
	b.Cleanup(cancel)
	return ctx
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
