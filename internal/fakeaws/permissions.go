package fakeaws

import (
	"net/url"
	"strings"
)

// Services whose service-linked roles flow logs need.
const (
	logDelivery = "delivery.logs.amazonaws.com" // to Firehose
	vpcFlowLogs = "vpc-flow-logs.amazonaws.com" // fields of tags
)

// permission is what AWS requires of the caller of CreateFlowLogs in addition to
// the operation's own. Deny takes its action, or the name alone.
type permission struct {
	action string
	asked  func(form url.Values) bool
	role   string // only as long as the account has no role linked to this service
}

func always(url.Values) bool { return true }

func toFirehose(form url.Values) bool {
	return form.Get("LogDestinationType") == "kinesis-data-firehose"
}

func ecsFields(form url.Values) bool { return strings.Contains(form.Get("LogFormat"), "${ecs-") }

func tagFields(form url.Values) bool {
	return form.Get("TagFieldSpecification.1.ResourceType") != ""
}

// permissions are those that the EC2 User Guide names for flow logs, by
// destination and by fields. Whether AWS checks all of them at a dry run is not
// known; this fake does.
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

// checkPermissions refuses a create if one of permissions is denied. The caller
// holds e.mu.
func (e *EC2) checkPermissions(q *Request) error {
	c, form := q.Caller, q.Form
	for _, p := range permissions {
		if !p.asked(form) || p.role != "" && e.linked[c.Account+"/"+p.role] {
			continue
		}
		q.permissions = append(q.permissions, p.action)
		_, name, _ := strings.Cut(p.action, ":")
		if e.iam.isDenied(c, name) || e.iam.isDenied(c, p.action) {
			return unauthorized(c, p.action)
		}
	}
	return nil
}

// linkRoles makes the service-linked roles that a flow log needs, as AWS does
// when it is created. The caller holds e.mu.
func (e *EC2) linkRoles(account string, f FlowLog) {
	if f.LogDestinationType == "kinesis-data-firehose" {
		e.linked[account+"/"+logDelivery] = true
	}
	if len(f.TagFields) > 0 {
		e.linked[account+"/"+vpcFlowLogs] = true
	}
}

// RemoveServiceLinkedRoles deletes those that flow logs need: the next create
// that needs one makes it again. AWS allows it once no flow log needs them.
func (e *EC2) RemoveServiceLinkedRoles(account string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, service := range []string{logDelivery, vpcFlowLogs} {
		delete(e.linked, account+"/"+service)
	}
}
