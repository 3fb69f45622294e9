package fakeawstest

import (
	"maps"
	"net/url"
	"strings"

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

// required returns the permissions that AWS requires for a call in addition to the
// operation's own.
func (w *World) required(q *fakeaws.Request) (actions []string) {
	if q.Service != "ec2" || q.Operation != "CreateFlowLogs" {
		return nil
	}
	w.ec2.mu.Lock()
	defer w.ec2.mu.Unlock()
	for _, p := range permissions {
		if p.asked(q.Form) && (p.role == "" || !w.ec2.linked[linkedRole{q.Account, p.role}]) {
			actions = append(actions, p.action)
		}
	}
	return actions
}

// linkedRole is a service-linked role of an account.
type linkedRole struct{ account, service string }

// link makes the service-linked roles that a flow log needs: AWS makes each with the first flow log that needs it. The
// caller holds h.mu.
func (h *ec2Hooks) link(account string, firehose, tags bool) {
	if firehose {
		h.linked[linkedRole{account, logDelivery}] = true
	}
	if tags {
		h.linked[linkedRole{account, vpcFlowLogs}] = true
	}
}

// RemoveServiceLinkedRoles deletes the roles that flow logs need. The next create that
// needs one makes it again. AWS allows that once no flow log needs them.
func (w *World) RemoveServiceLinkedRoles(account string) {
	w.ec2.mu.Lock()
	defer w.ec2.mu.Unlock()
	maps.DeleteFunc(w.ec2.linked, func(r linkedRole, _ bool) bool { return r.account == account })
}
