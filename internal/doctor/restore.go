package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// describeFlowLogs returns the first page of the scope's flow logs.
func (s *subject) describeFlowLogs(ctx context.Context) ([]inventory.FlowLog, error) {
	out, err := call(ctx, ec2.NewFromConfig(s.cfg).DescribeFlowLogs, &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(1000)})
	if err != nil {
		return nil, err
	}
	var all []inventory.FlowLog
	for _, f := range out.FlowLogs {
		all = append(all, inventory.FromEC2(s.scope, f))
	}
	return all, nil
}

func (s *subject) describe(ctx context.Context) finding {
	all, err := s.logs()
	switch {
	case err == nil && s.namesDenied(ctx):
		return fine("%s; alerts and lists show no names of VPCs, for ec2:DescribeTags is not granted: %s", alert.Plural(len(all), "flow log"), s.grant("ec2:DescribeTags", ""))
	case err == nil:
		return fine("%s", alert.Plural(len(all), "flow log"))
	case denied(err) && strings.Contains(err.Error(), "service control policy"):
		return finding{Fail, errorText(err), "a service control policy denies it: except Flowkeeper's role in " + s.machine.named(s.scope.Account) + " from it for " + s.scope.Region +
			", or leave that Region out (accounts[].regions, inventory.regions)"}
	case denied(err):
		return finding{Fail, errorText(err), s.grant("ec2:DescribeFlowLogs", "")}
	}
	return finding{Unknown, "can't tell: " + errorText(err), ""}
}

// namesDenied reports whether AWS refuses to describe tags. That harms no restore.
func (s *subject) namesDenied(ctx context.Context) bool {
	_, err := call(ctx, ec2.NewFromConfig(s.cfg).DescribeTags, &ec2.DescribeTagsInput{DryRun: aws.Bool(true)})
	return denied(err)
}

// tried returns the dry runs of the scope. If there are none, the finding says why.
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
			out = append(out, finding{Fail, fmt.Sprintf("a restore of %s to %s would be refused: %s", t.id, t.target.Destination, t.answer.Message), t.fix(s)})
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
// that. After many deletions at once, one create makes many flow logs with the tags that all of
// the lost ones had; the other tags are added afterwards.
func (a *account) tagLater(ctx context.Context) []finding {
	if all, _ := a.trials(); len(all) == 0 {
		return nil // the dry runs' own finding says why
	}
	of := a.flowLogs()[0]
	who, allowed, doubt := a.may(ctx, "tags that follow a create", question{action: createTags, resources: []string{of.arn}, region: of.region,
		context: map[string]string{"aws:ResourceTag/" + incident.RestoredFrom: "fl-00000000000000000"}})
	switch {
	case allowed:
		return findings(fine("%s may tag what it has restored", who))
	case doubt.status != "":
		return findings(doubt)
	}
	return findings(finding{Fail, who + " may not tag what it has restored: after many deletions at once, replacements would lack the tags that not all of the lost flow logs had",
		a.subjects[0].grant(createTags, "TagWhatIsRestored")})
}

// trial is the dry run of restores with the same target.
type trial struct {
	region  string
	target  delivery.Target
	id      string // of the flow log that stands for them
	answer  incident.Answer
	lacks   string // the action that is not allowed, if AWS says which
	onlyTag bool   // without our tags AWS would allow it
	raw     string // AWS's message, not shortened
}

func (t trial) allowed() bool { return t.answer.Class == incident.Succeeded }

// try makes the dry runs of a scope's restores.
func (s *subject) try(ctx context.Context) (out []trial, err error) {
	if s.machine.Config.Remediate.Mode == "alert" {
		return nil, errors.New("remediate.mode is alert: nothing is ever created")
	}
	rows, err := s.rows()
	if err != nil {
		return nil, err
	}
	run := dryRuns{api: ec2.NewFromConfig(s.cfg), token: fmt.Sprintf("flowkeeper-doctor-%d", s.machine.Now().UnixNano())}
	for _, target := range slices.SortedFunc(maps.Keys(rows), delivery.Target.Compare) {
		t := trial{region: s.scope.Region, target: target}
		run.try(ctx, &t, rows[target])
		if encoded := t.encoded(); encoded != "" && t.lacks == "" {
			t.lacks = decodedAction(ctx, sts.NewFromConfig(s.cfg), encoded)
		}
		out = append(out, t)
	}
	return out, nil
}

// rows returns the protected flow logs of the snapshot, or if it has none, those that AWS lists.
func (s *subject) rows() (candidates, error) {
	if facts, err := s.machine.state(); err == nil && len(facts.rows[s.scope]) > 0 {
		return facts.rows[s.scope], nil
	}
	all, err := s.logs()
	if err != nil {
		return nil, err
	}
	out := candidates{}
	for _, f := range all {
		out.add(inventory.Row{FlowLog: f})
	}
	return out, nil
}

// dryRuns makes dry runs of creates. Their ClientTokens are not those of rehearsals, so that the
// daemon, which receives the calls' records, does not take them for its own.
type dryRuns struct {
	api   *ec2.Client
	token string
	calls int
}

// try makes the dry run for the first row whose resource is not gone.
func (d *dryRuns) try(ctx context.Context, t *trial, rows []inventory.Row) {
	for _, row := range rows {
		t.id = row.ID
		if t.answer, t.raw = d.create(ctx, row, true); t.answer.Class == incident.ResourceAbsent {
			continue
		}
		if t.lacks = answer.DeniedAction(t.raw); !t.allowed() && t.answer.Class != incident.TryAgain {
			bare, _ := d.create(ctx, row, false)
			t.onlyTag = bare.Class == incident.Succeeded
		}
		return
	}
}

// create returns the class of AWS's answer, and its message.
func (d *dryRuns) create(ctx context.Context, row inventory.Row, tagged bool) (incident.Answer, string) {
	d.calls++
	in := incident.CreateInput(incident.Incident{Scope: row.Scope, FlowLogID: row.ID, Frozen: row.Settings}, fmt.Sprintf("%s-%d", d.token, d.calls))
	in.DryRun = aws.Bool(true)
	if !tagged {
		in.TagSpecifications = nil
	}
	out, err := call(ctx, d.api.CreateFlowLogs, in)
	_, message := apiError(err)
	return answer.OfDryRun(out, err), message
}

// encoded returns the encoded part of a refusal; empty: it has none.
func (t trial) encoded() string {
	_, encoded, _ := strings.Cut(t.raw, "Encoded authorization failure message: ")
	return strings.TrimSpace(encoded)
}

// decodedAction asks AWS which action an encoded refusal is about; empty: it does not say.
func decodedAction(ctx context.Context, api *sts.Client, encoded string) string {
	out, err := call(ctx, api.DecodeAuthorizationMessage, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	if err != nil {
		return "" // that it was refused is reported in any case
	}
	return actionIn(aws.ToString(out.DecodedMessage))
}

func actionIn(decoded string) string {
	var refusal struct{ Context struct{ Action string } }
	if json.Unmarshal([]byte(decoded), &refusal) != nil {
		return ""
	}
	return refusal.Context.Action
}

// fix says what to do about a refusal in the scope.
func (t trial) fix(s *subject) string {
	switch encoded := t.encoded(); {
	case t.lacks != "":
		return s.grant(t.lacks, "")
	case encoded != "":
		return "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + shellWord(encoded)
	}
	return t.answer.Advice
}
