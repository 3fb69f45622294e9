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
	"github.com/aws/smithy-go"

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// creator is what doctor calls of *ec2.Client for dry runs.
type creator interface {
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
}

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

func (e *exam) describe(ctx context.Context, s *subject) finding {
	all, err := s.logs()
	switch {
	case err == nil:
		return fine("%s", plural(len(all), "flow log", "flow logs"))
	case denied(err):
		return finding{Fail, errorText(err), "allow ec2:DescribeFlowLogs (deploy/iam-policy.json), and see that no service control policy denies it"}
	}
	return finding{Unknown, "can't tell: " + errorText(err), ""}
}

// trial is the dry run of restores with the same target.
type trial struct {
	region  string
	target  delivery.Target
	id      string // of the flow log that stands for them
	answer  incident.Answer
	lacks   string // the action that AWS misses, where it says which
	onlyTag bool   // without our tags AWS would allow it
	raw     string // AWS's message, whole
}

func (t trial) allowed() bool { return t.answer.Class == incident.Created }

// try makes the dry runs of a scope's restores.
func (e *exam) try(ctx context.Context, s *subject) ([]trial, error) {
	if e.d.Config.Remediate.Mode == "alert" {
		return nil, errors.New("remediate.mode is alert: nothing is ever created")
	}
	rows, err := e.rows(s)
	if err != nil {
		return nil, err
	}
	all := tryAll(ctx, ec2.NewFromConfig(s.cfg), rows, fmt.Sprintf("flowkeeper-doctor-%d", e.d.Now().UnixNano()))
	for n := range all {
		all[n].region = s.scope.Region
		all[n].decode(ctx, sts.NewFromConfig(s.cfg))
	}
	return all, nil
}

// rows returns the protected flow logs of the snapshot, or if it has none, those that AWS lists.
func (e *exam) rows(s *subject) (map[delivery.Target][]inventory.Row, error) {
	if m, err := e.stateFacts(); err == nil && len(m.rows[s.scope]) > 0 {
		return m.rows[s.scope], nil
	}
	all, err := s.logs()
	if err != nil {
		return nil, err
	}
	m := stateFacts{rows: map[inventory.Scope]map[delivery.Target][]inventory.Row{}}
	for _, f := range all {
		m.add(inventory.Row{FlowLog: f, State: inventory.Live, Protected: true})
	}
	return m.rows[s.scope], nil
}

// tryAll makes a dry run for each target. It sets DryRun for every call. The ClientToken is not
// that of a rehearsal, so that the daemon, which receives the call's record, does not take it
// for one of its own.
func tryAll(ctx context.Context, api creator, rows map[delivery.Target][]inventory.Row, token string) (out []trial) {
	calls := 0
	dry := func(i incident.Incident, tagged bool) (incident.Answer, string) {
		calls++
		in := incident.CreateInput(i)
		in.DryRun, in.ClientToken = aws.Bool(true), aws.String(fmt.Sprintf("%s-%d", token, calls))
		if !tagged {
			in.TagSpecifications = nil
		}
		call, cancel := context.WithTimeout(ctx, oneCall)
		defer cancel()
		out, err := api.CreateFlowLogs(call, in)
		return answer.OfDryRun(out, err), message(err)
	}
	for _, n := range slices.SortedFunc(maps.Keys(rows), delivery.Target.Compare) {
		t := trial{target: n}
		for _, row := range rows[n] {
			i := incident.Incident{Scope: row.Scope, FlowLogID: row.ID, Frozen: row.Settings}
			t.id = row.ID
			if t.answer, t.raw = dry(i, true); t.answer.Class == incident.ResourceAbsent {
				continue
			}
			if t.lacks = lacking(t.raw); !t.allowed() && t.answer.Class != incident.TryAgain {
				bare, _ := dry(i, false)
				t.onlyTag = bare.Class == incident.Created
			}
			break
		}
		out = append(out, t)
	}
	return out
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// decode asks AWS to decode an encoded authorization message, if that is allowed.
func (t *trial) decode(ctx context.Context, api *sts.Client) {
	_, encoded, is := strings.Cut(t.raw, "Encoded authorization failure message: ")
	if !is || t.lacks != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := api.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(strings.TrimSpace(encoded))})
	if err != nil {
		return // that it was refused is reported in any case
	}
	t.lacks = decodedAction(aws.ToString(out.DecodedMessage))
}

func decodedAction(text string) string {
	var decoded struct{ Context struct{ Action string } }
	if json.Unmarshal([]byte(text), &decoded) != nil {
		return ""
	}
	return decoded.Context.Action
}

const nothingHere = "there is no protected flow log to try"

// create reports each target to which AWS would refuse restores.
func (e *exam) create(ctx context.Context, s *subject) (out []finding) {
	all, err := s.trials()
	switch {
	case err != nil:
		return findings(finding{Skipped, errorText(err), ""})
	case len(all) == 0:
		return findings(finding{Skipped, nothingHere, ""})
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
	return action == "ec2:CreateTags" || action == passRole || slices.ContainsFunc(everyPermission, func(p permission) bool { return p.action == action })
}

func (t trial) fix() string {
	if _, encoded, is := strings.Cut(t.raw, "Encoded authorization failure message: "); is && t.lacks == "" {
		return "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + shellWord(strings.TrimSpace(encoded))
	}
	if t.lacks != "" {
		return "allow " + t.lacks + " (deploy/iam-policy.json), and see that no service control policy denies it"
	}
	return t.answer.Advice
}

func (e *exam) tag(ctx context.Context, s *subject) finding {
	all, err := s.trials()
	switch {
	case err != nil:
		return finding{Skipped, errorText(err), ""}
	case len(all) == 0:
		return finding{Skipped, nothingHere, ""}
	}
	tried := false
	for _, t := range all {
		tried = tried || t.allowed()
		if t.onlyTag || t.lacks == "ec2:CreateTags" {
			return finding{Fail, "a restore of " + t.id + " would be allowed without tags only: " + t.answer.Message,
				"allow ec2:CreateTags on arn:" + inventory.Partition(s.scope.Region) + ":ec2:*:*:vpc-flow-log/* (TagWhatIsMade in deploy/iam-policy.json)"}
		}
	}
	if !tried {
		return finding{Unknown, "can't tell: no dry run was allowed", ""}
	}
	return fine("the dry runs had tags")
}
