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

// organization is an AWS with many accounts, in which the same things happen in each hour.
type organization struct {
	*fakeawstest.World
	t        *testing.T
	size     size
	began    time.Time // of the first hour
	queueURL string
	queue    string // ARN
	regions  []string
	accounts []string
	planted  map[inventory.Scope][]fakeaws.FlowLog

	mallory map[string]aws.Config // by account
	strikes int                   // deletions
	deleted int                   // flow logs
	made    int                   // flow logs, by CreateFlowLogs

	refreshes atomic.Int64 // listings that were begun
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

// config is that of a daemon which protects the organisation. Its retention is shorter than a
// configuration file may say, so that the day has many.
func (o *organization) config() configs.Config {
	c := configs.Default()
	c.Queue.URL, c.AWS.Region, c.HTTP.Listen = o.queueURL, region, ""
	c.Organization = configs.Organization{RoleName: "flowkeeper", Schedule: "@every 10m"}
	c.Inventory.Regions, c.Inventory.Schedule, c.Inventory.AlertRefresh, c.Inventory.Retention = o.regions, o.size.schedule, o.size.alertRefresh, time.Hour
	c.LogFiles.Buckets = []configs.LogBucket{{Name: trail, Owner: management}}
	c.State.Path = filepath.Join(o.t.TempDir(), "state.db")
	return c
}

// client returns AWS as a user of an account sees it.
func (o *organization) client(account, name string) aws.Config {
	u := o.User(account, name, false)
	return aws.Config{Region: region, HTTPClient: o.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")}
}

// The accounts and Regions in which something happens.
func (o *organization) hanging() inventory.Scope {
	return inventory.Scope{Account: o.accounts[1], Region: o.regions[0]}
}

func (o *organization) refusing() inventory.Scope {
	return inventory.Scope{Account: o.accounts[2], Region: o.regions[1]}
}

func (o *organization) leaving() string    { return o.accounts[len(o.accounts)-1] }
func (o *organization) suspended() string  { return o.accounts[len(o.accounts)-2] }
func (o *organization) roleDenied() string { return o.accounts[len(o.accounts)-3] }

// minute is that of the hour; below 0 before the first one.
func (o *organization) minute() int { return int(time.Since(o.began)/time.Minute) % 60 }

// trouble is what calls meet: for 20 minutes of each hour one scope does not answer and one is
// refused, and one account's role can't be assumed.
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

// pass has what happens in so many hours happen, and calls end after each: between two rounds of
// pruning, which begin with the hours of the daemon.
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
	time.Sleep(65 * time.Minute) // an hourly refresh finds what no record has reported
	o.count()
}

// count counts the flow logs that were made since it last did.
func (o *organization) count() {
	for _, c := range o.TakeCalls() {
		if c.Operation == "CreateFlowLogs" {
			o.made += len(c.IDs)
		}
	}
}

// strike deletes flow logs of a scope: one or all of it, with or without a record.
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

// deliver sends the record of a call as EventBridge does, or in a log file, or twice.
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

// check sees that every flow log is there once, and that each that was deleted was made once.
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
		o.t.Errorf("%d flow logs were deleted, %d made", o.deleted, o.made)
	}
}
