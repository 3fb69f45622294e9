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

// EC2 is what rehearsals call of *ec2.Client.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
}

const callTimeout = 25 * time.Second // of one dry run, as of a create

// tryAll tries the rows until each target has a verdict, with a token for each dry run.
// Where it can't go on, it returns what it found so far with the error. sent reports
// whether AWS has answered a dry run.
func (r *Rehearser) tryAll(ctx context.Context, s inventory.Scope, api EC2, rows []inventory.Row, token func(call int) string, beat func()) (found verdicts, sent bool, err error) {
	found = verdicts{}
	var blind *incident.Answer // of the look that a restore begins with, where that is refused
	calls := 0
	for n, row := range rows {
		target := delivery.TargetOf(row.FlowLog)
		if _, done := found[target]; done {
			continue
		}
		if !r.awaitTurn(ctx, s, beat) {
			return found, sent, ErrBusy
		}
		beat()
		if n == 0 {
			if blind, err = r.refusedLook(ctx, s, api, row.ResourceID); err != nil {
				return found, sent, err
			}
		}
		if blind != nil {
			found.add(s, target, *blind, r.Now())
			continue
		}
		calls++
		a, err := r.tryDry(ctx, s, api, row, token(calls))
		if err != nil {
			return found, sent, err
		}
		sent = true
		if a.Class != incident.ResourceAbsent {
			found.add(s, target, a, r.Now())
		}
	}
	return found, sent, nil
}

// awaitTurn waits until a dry run may go out, and reports whether it may: not where restores
// need all that AWS allows for so long.
func (r *Rehearser) awaitTurn(ctx context.Context, s inventory.Scope, beat func()) bool {
	pause := r.Pause
	if pause == nil {
		pause = retry.Sleep
	}
	for range longestWait {
		if r.Restores.AllowDryRun(s) {
			return true
		}
		beat()
		if !pause(ctx, time.Second) {
			return false
		}
	}
	return false
}

// longestWait is for how many seconds a rehearsal waits for its next dry run.
const longestWait = 60

// refusedLook looks at a resource as a restore does first. It returns what AWS
// refuses it with; an error only where AWS gave no verdict.
func (r *Rehearser) refusedLook(ctx context.Context, s inventory.Scope, api EC2, resource string) (*incident.Answer, error) {
	_, err := inventory.OnResources(ctx, s, api, []string{resource})
	if err == nil {
		return nil, nil
	}
	err = fmt.Errorf("look at 1 resources in %s: %w", s, err)
	a := answer.OfError(err)
	if a.Class != incident.NeedsPerson {
		return nil, err
	}
	return &a, nil
}

// tryDry makes the call that would restore a flow log, as a dry run with a
// token of its own. The answer is an error only where AWS gave no verdict.
func (r *Rehearser) tryDry(ctx context.Context, s inventory.Scope, api EC2, row inventory.Row, token string) (incident.Answer, error) {
	i := incident.Incident{Scope: s, FlowLogID: row.ID, Frozen: row.Settings}
	for {
		in := incident.CreateInput(i, token)
		in.DryRun = aws.Bool(true)
		call, cancel := context.WithTimeout(ctx, callTimeout)
		out, err := api.CreateFlowLogs(call, in, oneAttempt)
		cancel()
		if err != nil && ctx.Err() != nil {
			return incident.Answer{}, ctx.Err()
		}
		if err != nil {
			r.Restores.RecordDryRunThrottle(s, err)
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

// oneAttempt leaves retries to the next rehearsal.
func oneAttempt(o *ec2.Options) { o.RetryMaxAttempts = 1 }
