package rehearse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"flowkeeper/inventory"
)

// Rehearser makes the rehearsals of every configured scope. Its methods may be called
// at the same time, but Rehearse only once for each scope.
type Rehearser struct {
	Store     Store
	Pipelines PipelineStore
	Fleet     Fleet
	Restores  Restores
	AlertOnly bool     // mode alert: nothing is ever created, so nothing is rehearsed
	Others    []string // ARNs of other Flowkeepers' principals: their rehearsals count, too
	Now       func() time.Time
	Log       *slog.Logger
	Senders   Senders
	// Rand is in [0, 1). From it comes the name of a new state file; nil: math/rand.
	Rand func() float64
	// Pause waits between dry runs until d has passed, or ctx ends: then it returns false.
	// nil: real time. It may return false at once if the caller has its own clock.
	Pause func(ctx context.Context, d time.Duration) bool
}

// Fleet gives the clients of scopes, and says who signs their calls.
type Fleet interface {
	// EC2 gives the client of a scope, with the credentials of that scope and no
	// others (I13); false: it is not configured.
	EC2(scope inventory.Scope) (EC2, bool)
	// Caller asks AWS for the ARN of the principal that signs the calls in a scope.
	Caller(ctx context.Context, scope inventory.Scope) (arn string, err error)
}

// Senders send the alerts that are in the outbox.
type Senders interface {
	// Wake is called after each commit that may have put alerts into the outbox.
	Wake()
}

// Restores make real creates in the same scopes: AWS limits these and the dry runs together.
type Restores interface {
	// AllowDryRun reports whether a dry run of a create may go out now, and counts it:
	// half of the creates that AWS allows at once are left for restores.
	AllowDryRun(scope inventory.Scope) bool
	// RecordDryRunThrottle slows the creates of a scope if the error is AWS's refusal
	// of a dry run for its rate.
	RecordDryRunThrottle(scope inventory.Scope, err error)
	// RetryBlocked makes the blocked incidents of a scope due: AWS allows again what it refused.
	RetryBlocked(ctx context.Context, scope inventory.Scope) error
}

// Result counts the kinds of restores in one Rehearse.
type Result struct{ Tried, Refused int }

const (
	// triesPerTarget is how many flow logs with the same target are tried, if the resources of the
	// others are not there any more.
	triesPerTarget = 3
	mostNamed      = 1000 // flow logs in the alerts of one rehearsal
)

// ErrBusy is wrapped by Rehearse if it left some targets for the next time.
var ErrBusy = errors.New("restores go first; the next rehearsal tries the rest")

// Rehearse tries, as a dry run, to restore one protected flow log of each delivery target, and
// alerts if AWS would refuse what it allowed before, or was never asked for. It creates nothing.
// Restores go first: if they need all calls that AWS allows, the rest is left for the next time
// ([ErrBusy]). keepAlive is called before each try.
func (r *Rehearser) Rehearse(ctx context.Context, s inventory.Scope, keepAlive func()) (Result, error) {
	api, ours := r.Fleet.EC2(s)
	if !ours || r.AlertOnly {
		return Result{}, nil
	}
	health, err := r.begin(ctx, s)
	if err != nil {
		return Result{}, err
	}
	var rows []inventory.Row
	err = r.Store.View(ctx, func(tx Tx) (err error) { rows, err = tx.Rehearsable(s, triesPerTarget); return err })
	if err != nil {
		return Result{}, fmt.Errorf("rehearse restores in %s: %w", s, err)
	}
	t := &trial{Rehearser: r, scope: s, api: api, health: health, started: r.Now(), keepAlive: keepAlive, found: rehearsals{}}
	err = t.tryAll(ctx, rows)
	if t.answered {
		err = errors.Join(err, r.noteSent(ctx, s, t.started))
	}
	result := t.found.result()
	if cerr := r.conclude(ctx, s, t.found, err == nil); cerr != nil {
		err, result = errors.Join(err, cerr), Result{}
	}
	if err != nil {
		return result, fmt.Errorf("rehearse restores in %s: %w", s, err)
	}
	return result, nil
}
