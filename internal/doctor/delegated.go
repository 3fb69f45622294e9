package doctor

import (
	"context"
	"fmt"
	"slices"

	"flowkeeper/remediate"
)

// delegated is a permission that AWS asks of whoever creates a flow log, because
// of what it records or where it delivers, beside logs:CreateLogDelivery and
// iam:PassRole.
type delegated struct {
	action, resource string
	context          map[string]string // what AWS's own request has
	statement        string            // of deploy/iam-policy.json
	once             bool              // only while the account lacks what it makes
	why              string
}

var ecsLists = []string{"ecs:ListClusters", "ecs:ListContainerInstances", "ecs:ListServices", "ecs:ListTaskDefinitions", "ecs:ListTasks"}

// delegatedOf are those that restores with these needs ask for.
func delegatedOf(n remediate.Needs, partition, account string) (out []delegated) {
	linked := func(service, name, why string) delegated {
		return delegated{"iam:CreateServiceLinkedRole", fmt.Sprintf("arn:%s:iam::%s:role/aws-service-role/%s/%s", partition, account, service, name),
			map[string]string{"iam:AWSServiceName": service}, "MakeTheirServiceLinkedRoles", true, why}
	}
	if n.Type == "kinesis-data-firehose" {
		out = append(out, delegated{"firehose:TagDeliveryStream", n.Destination,
			map[string]string{"aws:RequestTag/LogDeliveryEnabled": "true", tagKeys: "LogDeliveryEnabled"}, "DeliverToFirehose", false, "flow logs to Firehose"},
			linked("delivery.logs.amazonaws.com", "AWSServiceRoleForLogDelivery", "flow logs to Firehose"))
	}
	if n.ECS {
		for _, action := range ecsLists {
			out = append(out, delegated{action, "*", nil, "RecordFieldsOfECSAndTags", false, "formats with ECS fields"})
		}
	}
	if n.Tags() {
		for _, action := range []string{"ec2:DescribeTags", "autoscaling:DescribeTags"} {
			out = append(out, delegated{action, "*", nil, "RecordFieldsOfECSAndTags", false, "fields of tags"})
		}
		out = append(out, linked("vpc-flow-logs.amazonaws.com", "AWSServiceRoleForVPCFlowLogs", "fields of tags"))
	}
	return out
}

// isDelegated reports whether an action is one of delegatedOf.
func isDelegated(action string) bool {
	all := delegatedOf(remediate.Needs{Type: "kinesis-data-firehose", Fields: remediate.Fields{ECS: true, EC2Tags: true}}, "", "")
	return slices.ContainsFunc(all, func(d delegated) bool { return d.action == action })
}

func (d delegated) allow() string {
	return "allow " + d.action + " (" + d.statement + " in deploy/iam-policy.json), and see that no service control policy denies it"
}

// delegated tells which of these permissions are missing, where a protected flow
// log needs them: by the dry runs, and by the simulator, for a dry run need not
// go so far. Where nothing is missing it has nothing to tell.
func (a *account) delegated(ctx context.Context, trials map[*subject]*trial) (out []finding) {
	type asked struct{ action, resource string }
	done := map[asked]bool{}
	for _, s := range a.subjects {
		runs, _ := trials[s].get(ctx) // why there are none, logDelivery tells
		for _, r := range runs {
			for _, d := range delegatedOf(r.needs, a.partition(), a.id) {
				if key := (asked{d.action, d.resource}); !done[key] {
					done[key] = true
					if f := a.mayDelegate(ctx, d, r, s.scope.Region); f.status != OK {
						out = append(out, f)
					}
				}
			}
		}
	}
	return out
}

func (a *account) mayDelegate(ctx context.Context, d delegated, r run, region string) finding {
	if r.lacks == d.action {
		return finding{Fail, "a restore of " + r.id + " would be refused: " + r.verdict.Message, d.allow()}
	}
	who, err := a.self.get(ctx)
	if err != nil || who == "" {
		return finding{status: OK} // logDelivery tells that nobody can be asked about
	}
	answer, err := simulate(ctx, a.iam, question{principal: who, action: d.action, resources: []string{d.resource}, region: region, context: d.context})
	switch {
	case err != nil || answer.allowed:
		return finding{status: OK} // the first is logDelivery's to tell
	case answer.doubt() != "":
		return finding{Unknown, "can't tell of " + d.action + ", which " + d.why + " need, beyond the dry runs, which did not refuse it: " + answer.doubt(), ""}
	case d.once:
		return finding{Warn, who + " may not make " + d.resource[len("arn:"):] + ": should somebody delete it, restores of " + d.why + " are refused", d.allow()}
	}
	return finding{Fail, fmt.Sprintf("%s lacks %s, which restores of %s need", who, d.action, d.why), d.allow()}
}
