package tamper

import (
	"fmt"
	"strings"
	"testing"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

var scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}

// Settings of flow logs: to a bucket, to a log group by one role, and to a log group by a role that is also the
// cross-account role.
var (
	toBucket       = inventory.Settings{ResourceID: "vpc-1", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs/prefix/"}
	toGroup        = inventory.Settings{ResourceID: "vpc-2", LogDestinationType: "cloud-watch-logs", LogGroupName: "/vpc/flow", DeliverLogsPermissionARN: "arn:aws:iam::111122223333:role/service/delivery"}
	byOneRoleTwice = func() inventory.Settings {
		s := toGroup
		s.DeliverCrossAccountRole = "arn:aws:iam::111122223333:role/delivery" // the same role
		return s
	}()
)

// usedBy returns the usage of a delivery target by live flow logs with settings s, and by lost ones.
func usedBy(live int, s inventory.Settings, lost ...inventory.Settings) used {
	u := used{Usage: Usage{Scope: scope, Target: delivery.TargetOf(inventory.FlowLog{Scope: scope, Settings: s}), Live: live}}
	for n := range min(live, mostListed) {
		id := fmt.Sprintf("fl-live%d", n)
		u.live = append(u.live, inventory.Row{FlowLog: inventory.FlowLog{Scope: scope, ID: id, Settings: s}, RootID: id})
	}
	for n, s := range lost {
		u.lost = append(u.lost, incident.Incident{Scope: scope, FlowLogID: fmt.Sprintf("fl-lost%d", n), RootID: "fl-root", State: incident.Blocked, Frozen: s})
	}
	return u
}

var (
	queue = Dependency{"arn:*:sqs:eu-west-1:111122223333:flowkeeper", "the queue that events come by"}
	trail = Dependency{"arn:*:cloudtrail:*:111122223333:trail/*", "a trail that events come from"}
)

// TestStated: what depends on a resource that a record names, and which flow logs the alert lists.
func TestStated(t *testing.T) {
	t.Parallel()
	const bucket, role = "arn:aws:s3:::flow-logs", "arn:aws:iam::111122223333:role/delivery"
	for _, c := range []struct {
		name, target string
		all          []used
		uses, lists  string // how the resource is used; the IDs that the alert lists, or their number
		omitted      int
	}{
		{"nothing depends on it", bucket, nil, "", "", 0},
		{"a destination", bucket, []used{usedBy(2, toBucket)}, "the destination of 2 flow logs", "fl-live0 fl-live1", 0},
		{"a destination of a lost flow log, too", bucket, []used{usedBy(1, toBucket, toBucket)}, "the destination of 2 flow logs", "fl-live0 fl-lost0", 0},
		{"a destination of lost flow logs only", bucket, []used{usedBy(0, toBucket, toGroup, toBucket)}, "the destination of 1 flow log", "fl-lost1", 0},
		{"a role", role, []used{usedBy(1, toGroup)}, "the delivery role of 1 flow log", "fl-live0", 0},
		{"a role in both settings", role, []used{usedBy(1, byOneRoleTwice)}, "the delivery role of 1 flow log", "fl-live0", 0},
		{"more than an alert lists", bucket, []used{usedBy(49, toBucket), usedBy(10, toBucket, toBucket)}, "the destination of 60 flow logs", "…50", 10},
		{"a dependency of Flowkeeper", "arn:aws:sqs:eu-west-1:111122223333:flowkeeper", nil, "the queue that events come by", "", 0},
		{"a dependency by a pattern", "arn:aws:cloudtrail:us-east-1:111122223333:trail/org", nil, "a trail that events come from", "", 0},
		{"a trail of another account", "arn:aws:cloudtrail:us-east-1:444455556666:trail/org", nil, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := stated(c.target, c.all, []Dependency{queue, trail, trail})
			var ids []string
			for _, f := range i.FlowLogs {
				ids = append(ids, f.FlowLogID)
				if lost := strings.HasPrefix(f.FlowLogID, "fl-lost"); lost != (f.State == "blocked") || lost != (f.RootFlowLogID == "fl-root") {
					t.Errorf("%+v", f)
				}
			}
			lists := strings.Join(ids, " ")
			if len(ids) > 5 {
				lists = fmt.Sprintf("…%d", len(ids))
			}
			if uses := strings.Join(i.Uses, " and "); uses != c.uses || lists != c.lists || i.Omitted != c.omitted {
				t.Errorf("%q: lists %s, and omits %d; want %q: %s, and %d", uses, lists, i.Omitted, c.uses, c.lists, c.omitted)
			}
		})
	}
}

// TestCovers: ARNs in depends_on cover resources as people copy them from the console, or write them.
func TestCovers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ pattern, arn string }{
		"log group":               {"arn:aws:logs:eu-west-1:111122223333:log-group:/other:*", "arn:aws:logs:eu-west-1:111122223333:log-group:/other"},
		"role with a path":        {"arn:aws:iam::111122223333:role/service/*", "arn:aws:iam::111122223333:role/forwarder"}, // a record has no path of a role
		"bucket with a prefix":    {"arn:aws:s3:::archive/AWSLogs/*", "arn:aws:s3:::archive"},
		"rule of the default bus": {"arn:aws:events:eu-west-1:111122223333:rule/default/fk-*", "arn:aws:events:eu-west-1:111122223333:rule/fk-forward"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !(Dependency{ARN: c.pattern}).covers(c.arn) {
				t.Errorf("%s does not cover %s", c.pattern, c.arn)
			}
		})
	}
}

// TestUnstated: what may depend on a resource that a record does not name.
func TestUnstated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, service string
		all           []used
		protected     int
		want          string
	}{
		{"nothing known of the service", "s3", nil, 5, ""},
		{"a bucket", "s3", []used{usedBy(2, toBucket)}, 5, "it may be the destination of 2 flow logs"},
		{"a bucket of lost flow logs", "s3", []used{usedBy(0, toBucket, toBucket, toGroup)}, 5, "it may be the destination of 1 flow log"},
		{"a role", "iam", []used{usedBy(1, byOneRoleTwice)}, 5, "it may be the delivery role of 1 flow log"},
		{"a log group, not its role", "logs", []used{usedBy(1, toGroup)}, 5, "it may be the destination of 1 flow log"},
		{"the queue", "sqs", nil, 5, "it may be the queue that events come by"},
		{"a service of unnamed dependencies, no flow logs", "kms", nil, 0, ""},
		{"a service of unnamed dependencies, one flow log", "kms", nil, 1, "a protected flow log lives in this account and Region"},
		{"a service of unnamed dependencies, many flow logs", "iam", nil, 1000, "at least 1000 protected flow logs live in this account"},
		{"another service", "sns", nil, 5, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := placeOf(cloudtrail.Record{EventSource: c.service + ".amazonaws.com", Account: scope.Account, Region: scope.Region})
			i := unstated(p, c.all, c.protected, []Dependency{queue, queue, trail})
			if got := strings.Join(i.Uses, " and "); got != c.want || len(i.FlowLogs) > 0 || i.Omitted > 0 {
				t.Errorf("%q, %+v; want %q", got, i, c.want)
			}
		})
	}
}

// TestTargetOf: records name their targets in several ways; TargetOf returns the ARN.
func TestTargetOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ service, target, bus, want string }{
		"log group":               {"logs", "/vpc/flow", "", "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow"},
		"bucket":                  {"s3", "flow-logs", "", "arn:aws:s3:::flow-logs"},
		"role":                    {"iam", "delivery", "", "arn:aws:iam::111122223333:role/delivery"},
		"stream":                  {"firehose", "flow", "", "arn:aws:firehose:eu-west-1:111122223333:deliverystream/flow"},
		"key by its ID":           {"kms", "1234", "", "arn:aws:kms:eu-west-1:111122223333:key/1234"},
		"key by its ARN":          {"kms", "arn:aws:kms:us-east-1:444455556666:key/1234", "", "arn:aws:kms:us-east-1:444455556666:key/1234"},
		"trail":                   {"cloudtrail", "org", "", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/org"},
		"rule":                    {"events", "rule", "", "arn:aws:events:eu-west-1:111122223333:rule/rule"},
		"rule of the default bus": {"events", "rule", "default", "arn:aws:events:eu-west-1:111122223333:rule/rule"},
		"rule of another bus":     {"events", "rule", "arn:aws:events:eu-west-1:111122223333:event-bus/other", "arn:aws:events:eu-west-1:111122223333:rule/other/rule"},
		"queue":                   {"sqs", "https://sqs.eu-west-1.amazonaws.com/444455556666/flowkeeper", "", "arn:aws:sqs:eu-west-1:444455556666:flowkeeper"},
		"no target":               {"sqs", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := cloudtrail.Record{EventSource: c.service + ".amazonaws.com", Account: scope.Account, Region: scope.Region, Target: c.target, Bus: c.bus}
			if got := TargetOf(r); got != c.want {
				t.Errorf("%s %q: %q, want %q", c.service, c.target, got, c.want)
			}
		})
	}
}
