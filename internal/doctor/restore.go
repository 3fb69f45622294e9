package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// describeFlowLogs returns the first page of the scope's flow logs.
func (s *subject) describeFlowLogs(ctx context.Context) ([]inventory.FlowLog, error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := ec2.NewFromConfig(s.cfg).DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(1000)})
	if err != nil {
		return nil, err
	}
	var all []inventory.FlowLog
	for _, f := range out.FlowLogs {
		all = append(all, inventory.FromEC2(s.scope, f))
	}
	return all, nil
}

func (s *subject) describe(context.Context) finding {
	all, err := s.logs()
	switch {
	case err == nil:
		return fine("%s", plural(len(all), "flow log", "flow logs"))
	case denied(err):
		return finding{Fail, errorText(err), grant("ec2:DescribeFlowLogs", "")}
	}
	return finding{Unknown, "can't tell: " + errorText(err), ""}
}

// tried returns the dry runs of the scope, or why there are none.
func (s *subject) tried() (all []trial, none finding) {
	all, err := s.trials()
	if err != nil {
		return nil, skipped(errorText(err))
	}
	return all, skipped(nothingHere)
}

const nothingHere = "there is no protected flow log to try"

// create reports each target to which AWS would refuse restores.
func (s *subject) create(context.Context) (out []finding) {
	all, none := s.tried()
	if len(all) == 0 {
		return findings(none)
	}
	allowed, unclear := 0, []string{}
	for _, t := range all {
		switch {
		case t.allowed(), t.onlyTag, hasCheck(t.lacks):
			allowed++
		case t.answer.Class == incident.ResourceAbsent, t.answer.Class == incident.TryAgain:
			unclear = append(unclear, t.id+": "+t.answer.Hinted())
		default:
			out = append(out, finding{Fail, fmt.Sprintf("a restore of %s to %s would be refused: %s", t.id, t.target.Destination, t.answer.Message), t.fix()})
		}
	}
	if len(unclear) > 0 {
		out = append(out, finding{Unknown, "can't tell of " + strings.Join(unclear, "; "), ""})
	}
	if allowed > 0 && len(out) == 0 {
		out = findings(fine("dry runs for %s", plural(allowed, "destination and role", "destinations and roles")))
	}
	return out
}

// hasCheck reports whether another check reports that this action is missing.
func hasCheck(action string) bool {
	return action == createTags || action == passRole || slices.ContainsFunc(everyPermission, func(p permission) bool { return p.action == action })
}

const createTags = "ec2:CreateTags"

// tag judges, by the dry runs, whether creates may have tags.
func (s *subject) tag(context.Context) finding {
	all, none := s.tried()
	if len(all) == 0 {
		return none
	}
	tried := false
	for _, t := range all {
		tried = tried || t.allowed()
		if t.onlyTag || t.lacks == createTags {
			return finding{Fail, "a restore of " + t.id + " would be allowed without tags only: " + t.answer.Message,
				"allow " + createTags + " on arn:" + inventory.Partition(s.scope.Region) + ":ec2:*:*:vpc-flow-log/* (TagWhatIsMade in deploy/iam-policy.json)"}
		}
	}
	if !tried {
		return finding{Unknown, "can't tell: no dry run was allowed", ""}
	}
	return fine("the dry runs had tags")
}

// tagLater asks the simulator whether replacements that exist may get tags: no dry run shows
// that. After many deletions at once one create makes many flow logs, and the tags that not
// all of them had follow.
func (a *account) tagLater(ctx context.Context) []finding {
	if all, _ := a.trials(); len(all) == 0 {
		return nil // the dry runs' own finding says why
	}
	of := a.flowLogs()[0]
	allowed, doubt := a.may(ctx, "tags that follow a create", question{action: createTags, resources: []string{of.arn}, region: of.region,
		context: map[string]string{"aws:ResourceTag/" + incident.RestoredFrom: "fl-00000000000000000"}})
	who, _ := a.self() // where it is not known, that is the doubt
	switch {
	case allowed:
		return findings(fine("%s may tag what it has restored", who))
	case doubt.status != "":
		return findings(doubt)
	}
	return findings(finding{Fail, who + " may not tag what it has restored: after many deletions at once, replacements would lack the tags that not all of the lost flow logs had",
		grant(createTags, "TagWhatIsRestored")})
}
