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
	"flowkeeper/remediate"
)

// creator is the part of EC2 that tries restores.
type creator interface {
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
}

// describe is the flow logs of the scope: a page will do.
func (s *subject) describe(ctx context.Context) ([]inventory.FlowLog, error) {
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

func (s *subject) describes(ctx context.Context) finding {
	all, err := s.logs.get(ctx)
	switch {
	case err == nil:
		return fine("%s", plural(len(all), "flow log", "flow logs"))
	case denied(err):
		return finding{Fail, words(err), "allow ec2:DescribeFlowLogs (deploy/iam-policy.json), and see that no service control policy denies it"}
	}
	return finding{Unknown, "can't tell: " + words(err), ""}
}

// trial is the dry runs of one scope's restores, made once.
type trial struct {
	s    *subject
	e    *exam
	runs *memo[[]run] // or why there are none
}

// run is the dry run of restores with the same needs.
type run struct {
	needs   remediate.Needs
	id      string // of the flow log that stands for them
	verdict remediate.Verdict
	lacks   string // the action that AWS misses, where it is told
	onlyTag bool   // without our tags AWS would allow it
	raw     string // AWS's message, whole
}

func (e *exam) trials() map[*subject]*trial {
	out := map[*subject]*trial{}
	for _, s := range e.subjects {
		t := &trial{s: s, e: e}
		t.runs = remember(t.try)
		out[s] = t
	}
	return out
}

func (t *trial) get(ctx context.Context) ([]run, error) { return t.runs.get(ctx) }

func (t *trial) try(ctx context.Context) ([]run, error) {
	if t.e.d.Config.Remediate.Mode == "alert" {
		return nil, errors.New("remediate.mode is alert: nothing is ever created")
	}
	rows, err := t.rows(ctx)
	if err != nil {
		return nil, err
	}
	runs := tryAll(ctx, ec2.NewFromConfig(t.s.cfg), rows, fmt.Sprintf("flowkeeper-doctor-%d", t.e.d.Now().UnixNano()))
	for n := range runs {
		runs[n].decode(ctx, sts.NewFromConfig(t.s.cfg))
	}
	return runs, nil
}

// rows are what the snapshot protects; without one, what AWS shows.
func (t *trial) rows(ctx context.Context) (map[remediate.Needs][]inventory.Row, error) {
	if m, err := t.e.memory.get(ctx); err == nil && len(m.rows[t.s.scope]) > 0 {
		return m.rows[t.s.scope], nil
	}
	all, err := t.s.logs.get(ctx)
	if err != nil {
		return nil, err
	}
	m := memory{rows: map[inventory.Scope]map[remediate.Needs][]inventory.Row{}}
	for _, f := range all {
		m.add(inventory.Row{FlowLog: f, State: inventory.Live, Protected: true})
	}
	return m.rows[t.s.scope], nil
}

// tryAll makes a dry run for each kind of needs, and nothing else: DryRun is
// set here, for every call. Its token is none of a rehearsal, so that the
// daemon, which hears of the call, does not take it for one of its own.
func tryAll(ctx context.Context, api creator, rows map[remediate.Needs][]inventory.Row, token string) (out []run) {
	calls := 0
	dry := func(i remediate.Incident, tagged bool) (remediate.Verdict, string) {
		calls++
		in := remediate.CreateInput(i)
		in.DryRun, in.ClientToken = aws.Bool(true), aws.String(fmt.Sprintf("%s-%d", token, calls))
		if !tagged {
			in.TagSpecifications = nil
		}
		call, cancel := context.WithTimeout(ctx, oneCall)
		defer cancel()
		answer, err := api.CreateFlowLogs(call, in)
		return remediate.ReadDryRun(answer, err), message(err)
	}
	for _, n := range slices.SortedFunc(maps.Keys(rows), remediate.Needs.Compare) {
		r := run{needs: n}
		for _, row := range rows[n] {
			i := remediate.Incident{Scope: row.Scope, FlowLogID: row.ID, Frozen: row.Settings}
			r.id = row.ID
			if r.verdict, r.raw = dry(i, true); r.verdict.NoResource {
				continue
			}
			if r.lacks = lacking(r.raw); !r.verdict.Allowed && !r.verdict.NoAnswer {
				bare, _ := dry(i, false)
				r.onlyTag = bare.Allowed
			}
			break
		}
		out = append(out, r)
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

// decode asks AWS what an encoded refusal says, if we may.
func (r *run) decode(ctx context.Context, api *sts.Client) {
	_, encoded, is := strings.Cut(r.raw, "Encoded authorization failure message: ")
	if !is || r.lacks != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := api.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(strings.TrimSpace(encoded))})
	if err != nil {
		return // what was refused is told all the same
	}
	r.lacks = decodedAction(aws.ToString(out.DecodedMessage))
}

func decodedAction(text string) string {
	var decoded struct{ Context struct{ Action string } }
	if json.Unmarshal([]byte(text), &decoded) != nil {
		return ""
	}
	return decoded.Context.Action
}

const nothingHere = "there is no protected flow log to try"

// create tells each kind of restore that AWS would refuse.
func (t *trial) create(ctx context.Context) (out []finding) {
	runs, err := t.get(ctx)
	switch {
	case err != nil:
		return one(finding{Skipped, words(err), ""})
	case len(runs) == 0:
		return one(finding{Skipped, nothingHere, ""})
	}
	allowed, unclear := 0, []string{}
	for _, r := range runs {
		switch {
		case r.verdict.Allowed, r.onlyTag, partOf(r.lacks): // other checks tell those
			allowed++
		case r.verdict.NoResource, r.verdict.NoAnswer:
			unclear = append(unclear, r.id+": "+r.verdict.Message)
		default:
			out = append(out, finding{Fail, fmt.Sprintf("a restore of %s to %s would be refused: %s", r.id, r.needs.Destination, r.verdict.Message), r.fix()})
		}
	}
	if len(unclear) > 0 {
		out = append(out, finding{Unknown, "can't tell of " + strings.Join(unclear, "; "), ""})
	}
	if allowed > 0 && len(out) == 0 {
		out = one(fine("dry runs for %s", plural(allowed, "destination and role", "destinations and roles")))
	}
	return out
}

// partOf: what a check of its own is about.
func partOf(action string) bool {
	return action == "ec2:CreateTags" || action == "iam:PassRole" || action == "logs:CreateLogDelivery" || isDelegated(action)
}

func (r run) fix() string {
	if _, encoded, is := strings.Cut(r.raw, "Encoded authorization failure message: "); is && r.lacks == "" {
		return "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + word(strings.TrimSpace(encoded))
	}
	if r.lacks != "" {
		return "allow " + r.lacks + " (deploy/iam-policy.json), and see that no service control policy denies it"
	}
	return r.verdict.Advice
}

func (t *trial) tag(ctx context.Context) finding {
	runs, err := t.get(ctx)
	switch {
	case err != nil:
		return finding{Skipped, words(err), ""}
	case len(runs) == 0:
		return finding{Skipped, nothingHere, ""}
	}
	tried := false
	for _, r := range runs {
		tried = tried || r.verdict.Allowed
		if r.onlyTag || r.lacks == "ec2:CreateTags" {
			return finding{Fail, "a restore of " + r.id + " would be allowed without tags only: " + r.verdict.Message,
				"allow ec2:CreateTags on arn:" + inventory.Partition(t.s.scope.Region) + ":ec2:*:*:vpc-flow-log/* (TagWhatIsMade in deploy/iam-policy.json)"}
		}
	}
	if !tried {
		return finding{Unknown, "can't tell: no dry run was allowed", ""}
	}
	return fine("the dry runs had tags")
}

func plural(n int, single, several string) string {
	if n == 1 {
		return "1 " + single
	}
	return fmt.Sprintf("%d %s", n, several)
}
