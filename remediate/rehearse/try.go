package rehearse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// EC2 has the methods of *ec2.Client that rehearsals call.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
}

// trial is one rehearsal of a scope.
type trial struct {
	*Rehearser
	scope     inventory.Scope
	api       EC2
	health    PipelineHealth
	started   time.Time
	keepAlive func()

	found    rehearsals
	calls    int  // dry runs so far; each has a token of its own
	answered bool // AWS has answered at least one of them
}

// tryAll tries the rows until each target has an answer. After an error, the answers before it are kept.
func (t *trial) tryAll(ctx context.Context, rows []inventory.Row) (err error) {
	var refused *incident.Answer // AWS's refusal of the observation that a restore begins with
	for n, row := range rows {
		target := delivery.TargetOf(row.FlowLog)
		if _, done := t.found[target]; done {
			continue
		}
		if !t.awaitTurn(ctx) {
			return ErrBusy
		}
		t.keepAlive()
		if n == 0 {
			if refused, err = t.observe(ctx, row.ResourceID); err != nil {
				return err
			}
		}
		if refused != nil {
			t.found.add(t.scope, target, *refused, t.Now())
			continue
		}
		a, err := t.tryDry(ctx, row)
		if err != nil {
			return err
		}
		t.answered = true
		if a.Class != incident.ResourceAbsent {
			t.found.add(t.scope, target, a, t.Now())
		}
	}
	return nil
}

// awaitTurn waits until a dry run may be sent. It reports false if restores need all calls that AWS
// allows during longestWait, or ctx ends.
func (t *trial) awaitTurn(ctx context.Context) bool {
	pause := t.Pause
	if pause == nil {
		pause = retry.Sleep
	}
	for range longestWait {
		if t.Restores.AllowDryRun(t.scope) {
			return true
		}
		t.keepAlive()
		if !pause(ctx, time.Second) {
			return false
		}
	}
	return false
}

// longestWait is how many seconds a rehearsal waits, at most, before each dry run.
const longestWait = 60

// observe asks what is on a resource, as a restore does first. It returns AWS's refusal, if that
// needs a person, and any other failure as an error.
func (t *trial) observe(ctx context.Context, resource string) (refused *incident.Answer, err error) {
	_, err = inventory.OnResources(ctx, t.scope, t.api, []string{resource})
	if err == nil {
		return nil, nil
	}
	err = fmt.Errorf("observe %s in %s: %w", resource, t.scope, err)
	a := answer.OfError(err)
	if a.Class != incident.NeedsPerson {
		return nil, err
	}
	return &a, nil
}

// tryDry makes the call that would restore a flow log, as a dry run with a token of its own. It
// returns an error only if AWS gave no answer.
func (t *trial) tryDry(ctx context.Context, row inventory.Row) (incident.Answer, error) {
	t.calls++
	i := incident.Incident{Scope: t.scope, FlowLogID: row.ID, Frozen: row.Settings}
	for {
		in := incident.CreateInput(i, t.health.token(t.started, t.calls))
		in.DryRun = aws.Bool(true)
		call, cancel := context.WithTimeout(ctx, answer.Timeout)
		out, err := t.api.CreateFlowLogs(call, in, answer.OneAttempt)
		cancel()
		if err != nil && ctx.Err() != nil {
			return incident.Answer{}, ctx.Err()
		}
		if err != nil {
			t.Restores.RecordDryRunThrottle(t.scope, err)
		}
		switch a := answer.OfDryRun(out, err); a.Class {
		case incident.TagRefused:
			if i.Untagged {
				a.Class, a.Reason = incident.NeedsPerson, incident.Invalid
				return a, nil
			}
			i.Untagged = true
		case incident.TryAgain:
			return a, errors.New(a.Hinted())
		default:
			return a, nil
		}
	}
}
