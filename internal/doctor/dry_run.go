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
func (s *subject) try(ctx context.Context) (out []trial, err error) {
	if s.machine.conf.Remediate.Mode == "alert" {
		return nil, errors.New("remediate.mode is alert: nothing is ever created")
	}
	rows, err := s.rows()
	if err != nil {
		return nil, err
	}
	run := dryRuns{api: ec2.NewFromConfig(s.cfg), token: fmt.Sprintf("flowkeeper-doctor-%d", s.machine.now().UnixNano())}
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

// try tries one of the rows, or the next where a resource is gone.
func (d *dryRuns) try(ctx context.Context, t *trial, rows []inventory.Row) {
	for _, row := range rows {
		t.id = row.ID
		if t.answer, t.raw = d.create(ctx, row, true); t.answer.Class == incident.ResourceAbsent {
			continue
		}
		if t.lacks = answer.DeniedAction(t.raw); !t.allowed() && t.answer.Class != incident.TryAgain {
			bare, _ := d.create(ctx, row, false)
			t.onlyTag = bare.Class == incident.Created
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
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := d.api.CreateFlowLogs(ctx, in)
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
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := api.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
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

func (t trial) fix() string {
	switch encoded := t.encoded(); {
	case t.lacks != "":
		return grant(t.lacks, "")
	case encoded != "":
		return "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + shellWord(encoded)
	}
	return t.answer.Advice
}

// grant says where to allow an action; statement is of deploy/iam-policy.json, empty: any.
func grant(action, statement string) string {
	if statement != "" {
		statement += " in "
	}
	return "allow " + action + " (" + statement + "deploy/iam-policy.json), and see that no service control policy denies it"
}
