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

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// creator is what doctor calls of *ec2.Client for dry runs.
type creator interface {
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
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
func (s *subject) try(ctx context.Context) ([]trial, error) {
	if s.machine.conf.Remediate.Mode == "alert" {
		return nil, errors.New("remediate.mode is alert: nothing is ever created")
	}
	rows, err := s.rows()
	if err != nil {
		return nil, err
	}
	all := tryAll(ctx, ec2.NewFromConfig(s.cfg), rows, fmt.Sprintf("flowkeeper-doctor-%d", s.machine.now().UnixNano()))
	for n := range all {
		all[n].region = s.scope.Region
		all[n].decode(ctx, sts.NewFromConfig(s.cfg))
	}
	return all, nil
}

// rows returns the protected flow logs of the snapshot, or if it has none, those that AWS lists.
func (s *subject) rows() (map[delivery.Target][]inventory.Row, error) {
	if facts, err := s.machine.state(); err == nil && len(facts.rows[s.scope]) > 0 {
		return facts.rows[s.scope], nil
	}
	all, err := s.logs()
	if err != nil {
		return nil, err
	}
	facts := stateFacts{rows: map[inventory.Scope]map[delivery.Target][]inventory.Row{}}
	for _, f := range all {
		facts.add(inventory.Row{FlowLog: f, State: inventory.Live, Protected: true})
	}
	return facts.rows[s.scope], nil
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

func (t trial) fix() string {
	if _, encoded, is := strings.Cut(t.raw, "Encoded authorization failure message: "); is && t.lacks == "" {
		return "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + shellWord(strings.TrimSpace(encoded))
	}
	if t.lacks != "" {
		return "allow " + t.lacks + " (deploy/iam-policy.json), and see that no service control policy denies it"
	}
	return t.answer.Advice
}
