//go:build linux

package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	bucket  = "arn:aws:s3:::flow-logs"
	group   = "arn:aws:logs:" + region + ":" + account + ":log-group:/vpc/flow-logs"
	role    = "arn:aws:iam::" + account + ":role/flow-logs"
	secret  = "whsec_c3lzdGVtZC10ZXN0LXdlYmhvb2stc2VjcmV0" // of the webhook
)

// world is the AWS outside the machine, an attacker in it, and the pager.
type world struct {
	aws     *fakeawstest.World
	mallory *ec2.Client
	url     string
	queue   string // its ARN
	keys    fakeaws.Credentials
	listen  string // http.listen
	pager   *pager
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{aws: fakeawstest.New(fakeawstest.Options{}), pager: newPager(t), listen: freePort(t)}
	url, stop, err := w.aws.Listen()
	must(t, err)
	t.Cleanup(func() { must(t, stop()) })
	w.url = url
	_, w.queue = w.aws.CreateQueue(account, region, "flowkeeper", map[string]string{"VisibilityTimeout": "3"})
	w.aws.AddDestination(bucket)
	w.aws.AddDestination(group)
	w.aws.AddDeliveryRole(role)
	for _, f := range []fakeaws.FlowLog{
		{ResourceID: "vpc-00000000000000001", LogDestinationType: "s3", LogDestination: bucket, FileFormat: "parquet", MaxAggregationInterval: 60},
		{ResourceID: "subnet-00000000000000002", LogDestinationType: "cloud-watch-logs", LogDestination: group,
			DeliverLogsPermissionARN: role, MaxAggregationInterval: 600},
		{ResourceID: "vpc-00000000000000003", LogDestinationType: "s3", LogDestination: bucket, FileFormat: "plain-text", MaxAggregationInterval: 600},
	} {
		f.TrafficType, f.LogFormat, f.DeliverStatus = "ALL", "${version} ${srcaddr} ${dstaddr} ${action}", "SUCCESS"
		f.Tags = map[string]string{"Name": f.ResourceID}
		f.CreatedAt = time.Now().Add(-24 * time.Hour)
		w.aws.Plant(account, region, f)
	}
	w.aws.TrailTo(w.queue)
	w.keys = w.aws.User(account, "flowkeeper", false)
	mallory := w.aws.User(account, "mallory", false)
	w.mallory = ec2.New(ec2.Options{Region: region, HTTPClient: w.aws.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(mallory.AccessKeyID, mallory.SecretAccessKey, "")})
	return w
}

// configuration is what an operator writes. The schedules are far off, so a flow log that comes back was
// restored because of its event, or of the refresh when the daemon starts.
func (w *world) configuration() string {
	return fmt.Sprintf(`queue:
  url: %q
  wait_time: 2s
  visibility_timeout: 3s
inventory:
  schedule: "@every 1h"
  settle: 1s
remediate:
  drift_wait: 1s
  verify_after: 1s
rehearsal:
  schedule: ""
alerts:
  - type: webhook
    name: pager
    min_level: informational
    url: %q
    secret_file: webhook-secret
http:
  listen: %q
aws:
  region: %s
  endpoint_url: %q
`, w.url+"/queue/"+region+"/"+account+"/flowkeeper", w.pager.url, w.listen, region, w.url)
}

// credentials is a shared credentials file with the keys of the daemon's user.
func (w *world) credentials() string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", w.keys.AccessKeyID, w.keys.SecretAccessKey)
}

// victim is the flow log of a resource.
func (w *world) victim(t *testing.T, resource string) fakeaws.FlowLog {
	t.Helper()
	found := w.of(resource)
	if len(found) != 1 {
		t.Fatalf("%d flow logs of %s", len(found), resource)
	}
	return found[0]
}

func (w *world) of(resource string) []fakeaws.FlowLog {
	return slices.DeleteFunc(w.aws.FlowLogs(account, region), func(f fakeaws.FlowLog) bool { return f.ResourceID != resource })
}

// strike deletes a flow log as an attacker does.
func (w *world) strike(t *testing.T, f fakeaws.FlowLog) {
	t.Helper()
	out, err := w.mallory.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{f.ID}})
	must(t, err)
	if len(out.Unsuccessful) > 0 {
		t.Fatalf("%s could not be deleted", f.ID)
	}
}

// restored returns an error unless the resource has exactly one flow log, which is not the lost one but
// equal to it.
func (w *world) restored(lost fakeaws.FlowLog) error {
	found := w.of(lost.ResourceID)
	if len(found) != 1 {
		return fmt.Errorf("%d flow logs of %s", len(found), lost.ResourceID)
	}
	if found[0].ID == lost.ID {
		return fmt.Errorf("%s is still there", lost.ID)
	}
	if got, want := settings(found[0]), settings(lost); got != want {
		return fmt.Errorf("it is not the same:\n%s\nand was:\n%s", got, want)
	}
	return nil
}

// settings are those of a flow log, without what differs between equal ones.
func settings(f fakeaws.FlowLog) string {
	f.ID, f.CreatedAt, f.Tags, f.DeliverStatus = "", time.Time{}, nil, ""
	return fmt.Sprintf("%+v", f)
}

// get calls the daemon's HTTP server.
func (w *world) get(path string) (status int, body string, err error) {
	resp, err := http.Get("http://" + w.listen + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// answers returns an error unless a path answers with this status.
func (w *world) answers(path string, want int) error {
	status, body, err := w.get(path)
	if err == nil && status != want {
		err = fmt.Errorf("%s answers %d: %s", path, status, body)
	}
	return err
}

// waiting is how many messages are not acknowledged.
func (w *world) waiting() int {
	visible, inFlight := w.aws.QueueDepth(w.queue)
	return visible + inFlight
}

// pager collects the alerts that the webhook receives.
type pager struct {
	url string

	mu     sync.Mutex
	alerts []alert
}

type alert struct {
	Kind     string `json:"kind"`
	FlowLogs []struct {
		ID string `json:"flow_log_id"`
	} `json:"flow_logs"`
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var a alert
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.alerts = append(p.alerts, a)
	}))
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

// rang returns an error unless the pager got an alert of a kind that names the flow log.
func (p *pager) rang(kind, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.alerts {
		for _, f := range a.FlowLogs {
			if a.Kind == kind && f.ID == id {
				return nil
			}
		}
	}
	return errors.New("the pager got no alert " + kind + " of " + id)
}

// freePort returns a port that no process listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// dropIn takes the "#" off the settings that the unit offers, as the unit's comments tell operators whose
// machine is not on EC2.
func dropIn(unit string) string {
	var b strings.Builder
	b.WriteString("[Service]\n")
	for line := range strings.Lines(unit) {
		if key, _, setting := strings.Cut(line, "="); setting && len(key) > 1 && key[0] == '#' && !strings.ContainsAny(key, " ,.:") {
			b.WriteString(line[1:])
		}
	}
	return b.String()
}
