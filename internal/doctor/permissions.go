package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// permission is one that AWS requires to create a flow log, because of what it records or where
// it delivers. iam:PassRole is not among them: it is checked for each role.
type permission struct {
	action, resource string
	context          map[string]string // condition keys of AWS's own request
	statement        string            // of deploy/iam-policy.json
	once             bool              // needed only until the account has the service-linked role that it makes
	why              string            // which flow logs need it
}

// permissionsOf returns the permissions that restores to this target need.
func permissionsOf(n delivery.Target, partition, account string) (out []permission) {
	all := func(why string, actions ...string) {
		for _, action := range actions {
			out = append(out, permission{action, "*", nil, "RecordFieldsOfECSAndTags", false, why})
		}
	}
	linked := func(service, name, why string) {
		out = append(out, permission{"iam:CreateServiceLinkedRole", fmt.Sprintf("arn:%s:iam::%s:role/aws-service-role/%s/%s", partition, account, service, name),
			map[string]string{"iam:AWSServiceName": service}, "MakeTheirServiceLinkedRoles", true, why})
	}
	if n.Type == inventory.S3 || n.Type == inventory.Firehose {
		out = append(out, deliver)
	}
	if n.Type == inventory.Firehose {
		out = append(out, permission{"firehose:TagDeliveryStream", n.Destination,
			map[string]string{"aws:RequestTag/LogDeliveryEnabled": "true", tagKeys: "LogDeliveryEnabled"}, "DeliverToFirehose", false, "flow logs to Firehose"})
		linked("delivery.logs.amazonaws.com", "AWSServiceRoleForLogDelivery", "flow logs to Firehose")
	}
	if n.ECS {
		all("formats with ECS fields", "ecs:ListClusters", "ecs:ListContainerInstances", "ecs:ListServices", "ecs:ListTaskDefinitions", "ecs:ListTasks")
	}
	if n.Tags() {
		all("fields of tags", "ec2:DescribeTags", "autoscaling:DescribeTags")
		linked("vpc-flow-logs.amazonaws.com", "AWSServiceRoleForVPCFlowLogs", "fields of tags")
	}
	return out
}

// deliver is the permission that flow logs to S3 and to Firehose need.
var deliver = permission{action: "logs:CreateLogDelivery", resource: "*", statement: "SetUpDelivery", why: "flow logs to S3 and Firehose"}

// everyPermission has each permission that restores of some flow log need.
var everyPermission = permissionsOf(delivery.Target{Type: inventory.Firehose, Fields: delivery.Fields{ECS: true, EC2Tags: true}}, "", "")

// logDelivery reports logs:CreateLogDelivery in any case. It reports the other permissions that
// restores need only if they are missing.
func (a *account) logDelivery(ctx context.Context) (out []finding) {
	all, err := a.trials()
	type need struct {
		permission
		trials []trial
	}
	needs := []need{{permission: deliver}}
	for _, t := range all {
		for _, p := range permissionsOf(t.target, a.partition(), a.id) {
			n := slices.IndexFunc(needs, func(x need) bool { return x.action == p.action && x.resource == p.resource })
			if n < 0 {
				needs, n = append(needs, need{permission: p}), len(needs)
			}
			needs[n].trials = append(needs[n].trials, t)
		}
	}
	for n, x := range needs {
		if len(x.trials) == 0 && err != nil {
			out = addNew(out, skipped(errorText(err)))
			continue
		}
		if f := a.mayCreate(ctx, x.permission, x.trials); n == 0 || f.status != OK {
			out = addNew(out, f)
		}
	}
	return out
}

// mayCreate judges one permission by the dry runs of flow logs that need it, if there are any,
// and then by the simulator.
func (a *account) mayCreate(ctx context.Context, p permission, trials []trial) finding {
	region, fix := a.subjects[0].scope.Region, a.subjects[0].grant(p.action, p.statement)
	if len(trials) > 0 {
		region = trials[0].region
	}
	if t, is := refusedFor(p.action, trials); is {
		return finding{Fail, "a restore of " + t.id + " would be refused: " + t.answer.Message, fix}
	}
	who, allowed, doubt := a.may(ctx, p.action, question{action: p.action, resources: []string{p.resource}, region: region, context: p.context})
	lacks := who + " lacks " + p.action + ", which restores of " + p.why + " need"
	switch {
	case allowed:
		return fine("%s may", who)
	case doubt.status != "":
		return doubt
	case p.once:
		return finding{Warn, who + " may not make " + p.resource[len("arn:"):] + ": should somebody delete it, restores of " + p.why + " are refused", fix}
	case len(trials) == 0:
		return finding{Warn, lacks + "; none that is protected goes there by now", fix}
	}
	return finding{Fail, lacks, fix}
}

// refusedFor returns a dry run that AWS refused because an action is not allowed.
func refusedFor(action string, trials []trial) (t trial, is bool) {
	n := slices.IndexFunc(trials, func(t trial) bool { return t.lacks == action })
	if n < 0 {
		return trial{}, false
	}
	return trials[n], true
}

const passRole = "iam:PassRole"

// deliveryServices are the services to which a delivery role may be passed: one of them is enough.
var deliveryServices = []string{"vpc-flow-logs.amazonaws.com", "delivery.logs.amazonaws.com"}

// passRoles judges each delivery role of protected flow logs.
func (a *account) passRoles(ctx context.Context) (out []finding) {
	all, err := a.trials()
	roles := map[string][]trial{}
	for _, t := range all {
		if t.target.Role != "" && t.target.Type != inventory.S3 {
			roles[t.target.Role] = append(roles[t.target.Role], t)
		}
	}
	switch {
	case len(roles) == 0 && err != nil:
		return findings(skipped(errorText(err)))
	case len(roles) == 0:
		return findings(fine("no protected flow log has a delivery role"))
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		out = addNew(out, a.mayPass(ctx, role, roles[role]))
	}
	return out
}

func (a *account) mayPass(ctx context.Context, role string, trials []trial) finding {
	statement := fmt.Sprintf(`{"Effect":"Allow","Action":"iam:PassRole","Resource":%q,"Condition":{"StringEquals":{"iam:PassedToService":["%s"]}}}`, role, strings.Join(deliveryServices, `","`))
	fix := "allow: " + statement
	if s := a.subjects[0]; s.discovered {
		fix = fmt.Sprintf("in account %s: name it in DeliveryRoleName or DeliveryRoleArns of %s, which allows then: %s", s.machine.named(a.id), s.stack(s.roleTemplate()), statement)
	}
	if t, is := refusedFor(passRole, trials); is {
		return finding{Fail, "a restore with " + role + " would be refused: " + t.answer.Message, fix}
	}
	var doubt finding
	for _, service := range deliveryServices {
		_, allowed, f := a.may(ctx, role, question{action: passRole, resources: []string{role}, region: trials[0].region, context: map[string]string{"iam:PassedToService": service}})
		if allowed {
			return fine("%s to %s", role, service)
		}
		doubt = cmp.Or(doubt, f)
	}
	if doubt.status != "" {
		return doubt
	}
	who, _ := a.self() // no error: a.may has asked about it
	return finding{Fail, who + " may not pass " + role + " to log delivery", fix}
}

const deleteFlowLogs = "ec2:DeleteFlowLogs"

// neverDelete asks IAM's simulator whether Flowkeeper may delete flow logs. A dry run of
// DeleteFlowLogs would show that too, but Flowkeeper and others would report it as an attempt;
// and so nothing here calls DeleteFlowLogs.
func (a *account) neverDelete(ctx context.Context) finding {
	if who, err := a.subjects[0].identity(); err == nil && strings.HasSuffix(who.arn, ":root") {
		return finding{Fail, "the root user may delete flow logs, unless a service control policy denies it: whoever takes these credentials can delete them all", leaveRoot}
	}
	who, err := a.self()
	if err != nil || who == "" {
		return finding{Unknown, "can't tell, because these credentials are neither a user's nor a role's", a.dryRun()}
	}
	d, err := mayDelete(ctx, a.iam, who, nil, a.flowLogs())
	if err == nil {
		return judgeDelete(who, d)
	}
	f := unanswered(err)
	f.fix = strings.TrimPrefix(f.fix+", or "+a.dryRun(), ", or ")
	return f
}

// judgeDelete judges what the simulator says. It assumes that an explicit denial has no condition, as in
// deploy/iam-policy.json.
func judgeDelete(who string, d decision) finding {
	switch {
	case d.allowed > 0:
		return finding{Fail, who + " may delete flow logs" + by(d.statements) + ": whoever takes these credentials can delete them all", denyTo(who)}
	case d.closed():
		return fine("denied to %s by a service control policy, as far as the simulator knows the values of its conditions", who)
	case d.explicit > 0 && d.implicit == 0:
		return fine("denied to %s explicitly", who)
	case d.doubt() != "":
		return finding{Unknown, "can't tell whether " + who + " may: " + d.doubt(), denyTo(who)}
	}
	return fine("not allowed to %s", who)
}

func (a *account) dryRun() string {
	return "try it as the daemon (its alerts and your SIEM will report an attempt): aws ec2 delete-flow-logs --dry-run --flow-log-ids fl-00000000000000000 --region " +
		a.subjects[0].scope.Region + " should answer UnauthorizedOperation"
}

func by(all []Statement) string {
	var names []string
	for _, s := range all {
		names = append(names, s.String())
	}
	if len(names) == 0 {
		return ""
	}
	return ", by " + strings.Join(names, ", ")
}

// String returns where the statement is.
func (s Statement) String() string {
	text := s.Policy
	if s.Line > 0 {
		text += fmt.Sprintf(" line %d", s.Line)
	}
	return text
}

// denyTo returns the command that denies ec2:DeleteFlowLogs to a user or role.
func denyTo(arn string) string {
	kind, _, _ := strings.Cut(inventory.ParseARN(arn).Resource, "/")
	return fmt.Sprintf(`aws iam put-%[1]s-policy --%[1]s-name %[2]s --policy-name never-delete-flow-logs --policy-document '{"Version":"2012-10-17","Statement":[{"Sid":"NeverDelete","Effect":"Deny","Action":"ec2:DeleteFlowLogs","Resource":"*"}]}'`,
		kind, arn[strings.LastIndex(arn, "/")+1:])
}
