package soak_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

const (
	management = "111122223333"
	region     = "eu-north-1"
	bucket     = "flow-logs"
	trail      = "org-trail"
)

// organization is an AWS with many accounts, in which the same things happen in every hour.
type organization struct {
	*fakeawstest.World
	t        *testing.T
	size     size
	began    time.Time // when the first hour began
	queueURL string
	queue    string // ARN
	regions  []string
	accounts []string
	planted  map[inventory.Scope][]fakeaws.FlowLog

	mallory map[string]aws.Config // by account
	strikes int                   // deletions
	deleted int                   // flow logs
	made    int                   // flow logs, by CreateFlowLogs

	refreshes atomic.Int64 // listings that have begun
}

func newOrganization(t *testing.T, z size) *organization {
	o := &organization{World: fakeawstest.New(fakeawstest.Options{Latency: 20 * time.Millisecond}), t: t, size: z, began: time.Now().Add(10 * time.Minute), planted: map[inventory.Scope][]fakeaws.FlowLog{}, mallory: map[string]aws.Config{}}
	o.queueURL, o.queue = o.CreateQueue(management, region, "flowkeeper", nil)
	o.AddBucket(region, bucket)
	o.AddBucket(region, trail)
	o.OwnBucket(trail, management)
	o.AddOrganization(management, "management")
	for n := range z.regions {
		o.regions = append(o.regions, fmt.Sprintf("eu-north-%d", n+1))
	}
	o.accounts = []string{management}
	for n := range z.accounts - 1 {
		o.accounts = append(o.accounts, fmt.Sprintf("%012d", 200_000_000_000+n))
		o.AddAccount(fakeawstest.Root, o.accounts[n+1], fmt.Sprintf("team-%d", n))
	}
	vpc := 0
	for _, account := range o.accounts {
		o.mallory[account] = o.client(account, "mallory")
		o.AddRole("arn:aws:iam::"+account+":role/flowkeeper", "")
		for _, r := range o.regions {
			s := inventory.Scope{Account: account, Region: r}
			for range z.flowLogs {
				o.Plant(account, r, fakeaws.FlowLog{ResourceID: fmt.Sprintf("vpc-%08x", vpc), TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::" + bucket,
					LogFormat: "${version} ${srcaddr}", MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": fmt.Sprint("flow log ", vpc)}})
				vpc++
			}
			o.planted[s] = o.FlowLogs(account, r)
		}
	}
	o.TrailWith(o.deliver)
	o.Meet(o.trouble)
	return o
}

// config is that of a daemon which protects the organisation. Its retention is shorter than a configuration
// file may set it, so that rows are pruned many times in a day.
func (o *organization) config() configs.Config {
	c := configs.Default()
	c.Queue.URL, c.AWS.Region, c.HTTP.Listen = o.queueURL, region, ""
	c.Organization = configs.Organization{RoleName: "flowkeeper", Schedule: "@every 10m"}
	c.Inventory.Regions, c.Inventory.Schedule, c.Inventory.AlertRefresh, c.Inventory.Retention = o.regions, o.size.schedule, o.size.alertRefresh, time.Hour
	c.LogFiles.Buckets = []configs.LogBucket{{Name: trail, Owner: management}}
	c.State.Path = filepath.Join(o.t.TempDir(), "state.db")
	return c
}

// client is the configuration of a client of a user in an account.
func (o *organization) client(account, name string) aws.Config {
	u := o.User(account, name, false)
	return aws.Config{Region: region, HTTPClient: o.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")}
}

// The scopes and accounts in which something fails or changes in every hour.
func (o *organization) hanging() inventory.Scope {
	return inventory.Scope{Account: o.accounts[1], Region: o.regions[0]}
}

func (o *organization) refusing() inventory.Scope {
	return inventory.Scope{Account: o.accounts[2], Region: o.regions[1]}
}

func (o *organization) leaving() string    { return o.accounts[len(o.accounts)-1] }
func (o *organization) suspended() string  { return o.accounts[len(o.accounts)-2] }
func (o *organization) roleDenied() string { return o.accounts[len(o.accounts)-3] }

// minute is the minute of the hour; it is negative before the first hour.
func (o *organization) minute() int { return int(time.Since(o.began)/time.Minute) % 60 }

// trouble is the fault that a call meets: for 20 minutes of each hour one scope does not answer, one is
// refused, and the role of one account can't be assumed.
func (o *organization) trouble(q *fakeaws.Request) fakeawstest.Refusal {
	if q.Operation == "DescribeFlowLogs" && q.Form.Get("MaxResults") != "" && q.Form.Get("NextToken") == "" {
		o.refreshes.Add(1)
	}
	in := inventory.Scope{Account: q.Account, Region: q.Region}
	switch minute := o.minute(); {
	case minute < 10 || minute >= 30:
	case q.Service == "ec2" && in == o.hanging():
		return fakeawstest.Refusal{Hangs: true}
	case q.Service == "ec2" && in == o.refusing():
		return fakeawstest.Refusal{Code: "UnauthorizedOperation", Message: "explicit deny in a service control policy", Status: 403}
	case q.Operation == "AssumeRole" && strings.Contains(q.Form.Get("RoleArn"), o.roleDenied()):
		return fakeawstest.Refusal{Code: "AccessDenied", Status: 403}
	}
	return fakeawstest.Refusal{}
}

// pass lets hours pass with all their events, and calls end after each. At that time no pruning runs: its
// rounds begin with the hours of the daemon.
func (o *organization) pass(hours int, end func(hour int)) {
	time.Sleep(time.Until(o.began))
	for hour := range hours {
		for minute := range 60 {
			switch minute {
			case 5:
				o.RemoveAccount(o.leaving())
				o.SetAccountState(o.suspended(), "SUSPENDED")
			case 35:
				o.AddAccount(fakeawstest.Root, o.leaving(), "team-that-leaves")
				o.SetAccountState(o.suspended(), "ACTIVE")
			}
			if minute%5 == 2 && minute < 40 {
				o.strike(hour*60 + minute)
			}
			time.Sleep(time.Minute)
		}
		o.count()
		o.ForgetSessions()
		end(hour + 1)
	}
	time.Sleep(65 * time.Minute) // an hourly refresh finds the deletions without a record
	o.count()
}

// count adds the flow logs that were made since its last call.
func (o *organization) count() {
	for _, c := range o.TakeCalls() {
		if c.Operation == "CreateFlowLogs" {
			o.made += len(c.IDs)
		}
	}
}

// strike deletes one flow log of a scope, or all, with a record or without.
func (o *organization) strike(n int) {
	there := slices.DeleteFunc(slices.Clone(o.accounts), func(a string) bool { return a == o.leaving() || a == o.suspended() })
	s := inventory.Scope{Account: there[n*7%len(there)], Region: o.regions[n*3%len(o.regions)]}
	var ids []string
	for _, f := range o.FlowLogs(s.Account, s.Region) {
		ids = append(ids, f.ID)
	}
	if n%4 != 0 {
		ids = ids[n%len(ids):][:1]
	}
	o.strikes++
	o.deleted += len(ids)
	if n%3 == 0 {
		for _, id := range ids {
			o.Remove(s.Account, s.Region, id)
		}
		return
	}
	mallory := ec2.NewFromConfig(o.mallory[s.Account], func(p *ec2.Options) { p.Region = s.Region })
	if _, err := mallory.DeleteFlowLogs(o.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}); err != nil {
		o.t.Error(err)
	}
}

// deliver brings the record of a call as an event, in a log file, or as both.
func (o *organization) deliver(body string) error {
	var e struct {
		ID, Account, Region string
		Detail              json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return err
	}
	if !strings.Contains(body, "DeleteFlowLogs") {
		return o.Send(o.queue, body)
	}
	switch int(e.ID[len(e.ID)-1]) % 3 {
	case 0:
		if err := o.Send(o.queue, body); err != nil {
			return err
		}
	case 1:
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := fmt.Fprintf(z, `{"Records":[%s]}`, e.Detail); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/2026/03/01/%s.json.gz", e.Account, e.Region, e.ID)
		o.PutObject(trail, key, b.Bytes())
		body = fmt.Sprintf(`{"s3Bucket":%q,"s3ObjectKey":[%q]}`, trail, key)
	}
	return o.Send(o.queue, body)
}

// check checks that each flow log is there once, and that each deletion made one flow log.
func (o *organization) check() {
	plain := func(all []fakeaws.FlowLog) (out []string) {
		for _, f := range all {
			f.ID, f.CreatedAt, f.DeliverStatus = "", time.Time{}, ""
			delete(f.Tags, "flowkeeper:restored-from")
			out = append(out, fmt.Sprintf("%+v", f))
		}
		slices.Sort(out)
		return out
	}
	for s, planted := range o.planted {
		if got, want := plain(o.FlowLogs(s.Account, s.Region)), plain(planted); !slices.Equal(got, want) {
			o.t.Errorf("%s has\n%s\nwant\n%s", s, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if o.made != o.deleted {
		o.t.Errorf("%d flow logs were deleted and %d made, want the same number", o.deleted, o.made)
	}
}
