package fakeawstest

import (
	"net/url"
	"strings"
	"sync"

	"flowkeeper/internal/fakeaws"
)

// Services whose service-linked roles flow logs need.
const (
	logDelivery = "delivery.logs.amazonaws.com" // to Firehose
	vpcFlowLogs = "vpc-flow-logs.amazonaws.com" // fields of tags
)

// permission is what AWS requires of the caller of CreateFlowLogs in addition to
// the operation's own.
type permission struct {
	action string
	asked  func(form url.Values) bool // whether a create with these parameters needs it
	role   string                     // if set: needed only as long as the account has no role linked to this service
}

func always(url.Values) bool { return true }

func toFirehose(form url.Values) bool {
	return form.Get("LogDestinationType") == "kinesis-data-firehose"
}

func ecsFields(form url.Values) bool { return strings.Contains(form.Get("LogFormat"), "${ecs-") }

func tagFields(form url.Values) bool {
	return form.Get("TagFieldSpecification.1.ResourceType") != ""
}

// permissions are the permissions that the EC2 User Guide names for flow logs, by
// destination and by fields. It is not known whether AWS checks all of them at a dry
// run; this fake does.
var permissions = []permission{
	{action: "ec2:CreateTags", asked: func(form url.Values) bool { return form.Get("TagSpecification.1.ResourceType") != "" }},
	{action: "iam:PassRole", asked: func(form url.Values) bool { return form.Get("DeliverLogsPermissionArn") != "" }},
	{action: "logs:CreateLogDelivery", asked: always},
	{action: "firehose:TagDeliveryStream", asked: toFirehose},
	{action: "iam:CreateServiceLinkedRole", asked: toFirehose, role: logDelivery},
	{action: "ecs:ListClusters", asked: ecsFields},
	{action: "ecs:ListContainerInstances", asked: ecsFields},
	{action: "ecs:ListServices", asked: ecsFields},
	{action: "ecs:ListTaskDefinitions", asked: ecsFields},
	{action: "ecs:ListTasks", asked: ecsFields},
	{action: "ec2:DescribeTags", asked: tagFields},
	{action: "autoscaling:DescribeTags", asked: tagFields},
	{action: "iam:CreateServiceLinkedRole", asked: tagFields, role: vpcFlowLogs},
}

// linkedRoles are the service-linked roles of all accounts.
type linkedRoles struct {
	mu      sync.Mutex      // guards what follows
	linked  map[string]bool // account/service
	removed map[string]int  // by account: how many creates there had been when its roles were removed
}

// required returns the permissions that AWS requires for a call in addition to the
// operation's own.
func (w *World) required(q *fakeaws.Request) (actions []string) {
	if q.Service != "ec2" || q.Operation != "CreateFlowLogs" {
		return nil
	}
	for _, p := range permissions {
		if p.asked(q.Form) && (p.role == "" || !w.linked(q.Account, p)) {
			actions = append(actions, p.action)
		}
	}
	return actions
}

// linked reports whether a flow log that needs the role was made: AWS makes the role with the first one.
func (w *World) linked(account string, p permission) bool {
	r, key := &w.roles, account+"/"+p.role
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.linked[key] {
		for _, c := range w.Calls("CreateFlowLogs")[r.removed[account]:] {
			r.linked[key] = r.linked[key] || c.Account == account && len(c.IDs) > 0 && p.asked(c.Form)
		}
	}
	return r.linked[key]
}

// link makes the service-linked roles that a flow log needs, as AWS does.
func (w *World) link(account string, f fakeaws.FlowLog) {
	w.roles.mu.Lock()
	defer w.roles.mu.Unlock()
	if f.LogDestinationType == "kinesis-data-firehose" {
		w.roles.linked[account+"/"+logDelivery] = true
	}
	if len(f.TagFields) > 0 {
		w.roles.linked[account+"/"+vpcFlowLogs] = true
	}
}

// RemoveServiceLinkedRoles deletes the roles that flow logs need. The next create that
// needs one makes it again. AWS allows that once no flow log needs them.
func (w *World) RemoveServiceLinkedRoles(account string) {
	w.roles.mu.Lock()
	defer w.roles.mu.Unlock()
	w.roles.removed[account] = len(w.Calls("CreateFlowLogs"))
	for _, service := range []string{logDelivery, vpcFlowLogs} {
		delete(w.roles.linked, account+"/"+service)
	}
}
