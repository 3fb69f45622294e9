package remediate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

const (
	batch    = 50 // incidents of one Step: few enough that a new one soon has its turn
	parallel = 4  // creates of one scope at once

	retryShare = 4               // one in so many is a retry, where first attempts wait
	longStep   = 5 * time.Second // a step begins no retry after that: AWS answers slowly
)

// Step does what is due in one scope, once, as far as the scope's pace allows
// at this moment: one shared look, then for each incident at most one create
// and one commit, and a beat after each. It reports how many incidents it worked
// on; the caller calls again while there are any.
func (r *Remediator) Step(ctx context.Context, s inventory.Scope, beat func()) (int, error) {
	api, ours := r.Fleet.EC2(s)
	var due []Incident
	var events []Event
	var bursts []Burst
	began := r.Now()
	calls := 0
	if ours {
		calls = r.scope(s).pace.ready(began)
	}
	err := r.Store.View(ctx, func(tx Tx) (err error) {
		if calls > 0 {
			limit := min(batch, calls-1)
			if due, err = tx.Due(s, r.Now(), limit, r.scope(s).forRetries(limit)); err != nil {
				return err
			}
		}
		if events, err = tx.DueEvents(s, r.Now()); err != nil {
			return err
		}
		bursts, err = tx.DueBursts(s, r.Now())
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := r.tellDue(ctx, s, events); err != nil {
		return 0, err
	}
	if err := r.alertDueBursts(ctx, bursts); err != nil || len(due) == 0 {
		return 0, err
	}
	looks := r.lookAt(ctx, s, api, due)
	beat()
	acts := make([]func() error, len(due))
	var left atomic.Int32
	for n, i := range due {
		acts[n] = func() error {
			defer beat()
			if i.Tried > 0 && r.Now().Sub(began) > longStep {
				left.Add(1)
				return nil // a first attempt may have come meanwhile: the next step begins with that
			}
			return r.act(ctx, s, api, i, looks[i.ResourceID])
		}
	}
	err = r.beside(parallel, acts...)
	return len(due) - int(left.Load()), err
}

// forRetries is how many places of a step's incidents are kept for those that were
// tried before, though others wait for their first attempt: a quarter, or all of
// every fourth step.
func (s *scopeState) forRetries(limit int) int {
	if n := limit / retryShare; n > 0 {
		return n
	}
	if s.turn++; s.turn%retryShare == 0 {
		return limit
	}
	return 0
}

// seen is a look for one incident, or why there is none.
type seen struct {
	look look
	err  error
}

// lookAt looks at the resources of the incidents, in shared calls, and takes
// looks made beside a commit where they are fresh.
func (r *Remediator) lookAt(ctx context.Context, s inventory.Scope, api EC2, due []Incident) map[string]seen {
	out := map[string]seen{}
	var ask []string
	st := r.scope(s)
	for _, i := range due {
		if i.ResourceID == "" {
			continue
		}
		if _, done := out[i.ResourceID]; done {
			continue
		}
		if l, ok := st.take(i.ResourceID, i.OpenedAt, r.Now()); ok && i.Looks == 0 && i.State == Open {
			out[i.ResourceID] = seen{look: l}
			continue
		}
		out[i.ResourceID] = seen{}
		ask = append(ask, i.ResourceID)
	}
	for ids := range slices.Chunk(ask, perLook) {
		st.pace.spend(r.Now())
		l, err := r.look(ctx, s, api, ids)
		for _, id := range ids {
			out[id] = seen{l, err}
		}
	}
	return out
}

// act does one step of one incident.
func (r *Remediator) act(ctx context.Context, s inventory.Scope, api EC2, i Incident, see seen) error {
	if i.Settled() {
		return r.update(ctx, s, i.FlowLogID, func(tx Tx, i Incident, now time.Time) error { return r.finish(tx, i, now) })
	}
	if see.err != nil {
		if ctx.Err() != nil {
			return nil // stopping: the next start looks again
		}
		a := classifyError(see.err)
		if a.class == noResource {
			a.class = retry // a look tells nothing of the resource
		}
		return r.update(ctx, s, i.FlowLogID, func(tx Tx, i Incident, now time.Time) error {
			i.Attempts++
			i.Tried++
			i.NotFoundAt = time.Time{}
			return r.failed(tx, i, a, now)
		})
	}
	switch i.State {
	case Restored:
		return r.update(ctx, s, i.FlowLogID, func(tx Tx, i Incident, now time.Time) error {
			return r.verify(tx, i, see.look, now)
		})
	}
	d, err := r.view(ctx, s, i, see.look)
	if err != nil {
		return err
	}
	if d.Next != incident.Create {
		return r.update(ctx, s, i.FlowLogID, func(tx Tx, i Incident, now time.Time) error {
			return r.judge(tx, i, see.look, false, now)
		})
	}
	return r.create(ctx, s, api, i)
}

// view decides without writing, to know whether a create is called for.
func (r *Remediator) view(ctx context.Context, s inventory.Scope, i Incident, l look) (d incident.Decision, err error) {
	err = r.Store.View(ctx, func(tx Tx) error {
		o, row, err := r.observed(tx, i, l, false)
		if err != nil {
			return err
		}
		if !i.Known && row != nil {
			return nil // requeue: learn it first
		}
		now := r.Now()
		d = incident.Decide(i.ClampTimes(now, r.Policy), o, r.Policy, now)
		return nil
	})
	return d, err
}

// create calls CreateFlowLogs once and records the answer. The same incident
// always makes the same call (I4), so a crash before the commit costs nothing.
func (r *Remediator) create(ctx context.Context, s inventory.Scope, api EC2, i Incident) error {
	if !r.scope(s).pace.spare(r.Now()) {
		return nil // AWS throttles: it stays due
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout) // a step in hand ends (I10)
	defer cancel()
	out, err := api.CreateFlowLogs(call, incident.CreateInput(i), oneAttempt)
	a := read(out, err)
	if err != nil {
		r.heed(s, err)
	}
	var after look
	if a.class == exists || a.class == mismatch {
		if after, err = r.look(call, s, api, []string{i.ResourceID}); err != nil {
			a = classifyError(err)
		}
	}
	return r.update(context.WithoutCancel(ctx), s, i.FlowLogID, func(tx Tx, i Incident, now time.Time) error {
		return r.answered(tx, i, a, after, now)
	})
}

// oneAttempt leaves retries to the state file (docs/decisions/retries.md).
func oneAttempt(o *ec2.Options) { o.RetryMaxAttempts = 1 }

// answered records what a create came to.
func (r *Remediator) answered(tx Tx, i Incident, a answer, after look, now time.Time) error {
	if i.State != Open && i.State != Blocked {
		return nil // another step, or a command, was faster
	}
	i.Attempts++
	i.Tried++
	if a.class != created {
		i.LastError = a.message
	}
	if a.class != noResource {
		i.NotFoundAt = time.Time{} // two refusals in a row, and nothing between them
	}
	if err := r.gone(tx, i, now); err != nil {
		return err
	}
	if i.AbsentAt.IsZero() {
		i.AbsentAt = now
	}
	i.AliveSince, i.Looks = time.Time{}, 0 // the look before showed it gone: what may show it alive again begins anew
	switch a.class {
	case created:
		return r.restored(tx, i, inventory.FlowLog{ID: a.id, Scope: i.Scope, Settings: incident.Replacement(i), CreatedAt: now}, false, now)
	case exists:
		return r.judge(tx, i, after, true, now)
	case mismatch:
		if i.MismatchAt.IsZero() {
			i.MismatchAt = now
		}
		return r.judge(tx, i, after, false, now)
	}
	return r.failed(tx, i, a, now)
}

// update runs one commit on the incident as it is now, then tells people what
// its event has come to.
func (r *Remediator) update(ctx context.Context, s inventory.Scope, id string, fn func(Tx, Incident, time.Time) error) error {
	var before, after Incident
	var log logged
	err := r.Store.Update(ctx, func(tx Tx) error {
		log = logged{Tx: tx} // fn may run again
		tx = &log
		now := r.Now()
		i, ok, err := tx.Incident(s, id)
		if err != nil || !ok {
			return err
		}
		before = i
		if err := fn(tx, i.ClampTimes(now, r.Policy), now); err != nil {
			return err
		}
		if err := r.tellDrift(tx, s, id, now); err != nil {
			return err
		}
		events, err := tx.EventsOf(s, id)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := r.settleEvent(tx, s, e, now); err != nil {
				return err
			}
		}
		after, _, err = tx.Incident(s, id)
		return err
	})
	if err == nil {
		for _, line := range log.lines {
			line()
		}
		r.Wake()
		if r.Meter != nil {
			r.Meter.Changed(before, after)
		}
	}
	return err
}

// logged is a transaction that keeps lines for the log until it is on disk: it may
// fail, and then what they say is not so.
type logged struct {
	Tx
	lines []func()
}

// onceStored is to log a line when tx is on disk.
func onceStored(tx Tx, line func()) {
	if l, ok := tx.(*logged); ok {
		l.lines = append(l.lines, line)
		return
	}
	line()
}

// put writes an incident and a line of its history where the state changed.
func (r *Remediator) put(tx Tx, old, i Incident, text string, now time.Time) error {
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	if old.State == i.State && old.Reason == i.Reason {
		return nil
	}
	log := r.Log.With("flow_log", i.FlowLogID, "account", i.Scope.Account, "region", i.Scope.Region)
	if i.Reason != "" {
		log = log.With("reason", i.Reason)
	}
	if i.NewID != "" {
		log = log.With("new_flow_log", i.NewID)
	}
	onceStored(tx, func() { log.Info("incident "+string(i.State), "text", text) })
	return tx.AddHistory(i.Scope, i.FlowLogID, Entry{At: now, State: i.State, Reason: i.Reason, Text: text})
}

// gone marks the lost flow log's row, once AWS does not show it any more.
func (r *Remediator) gone(tx Tx, i Incident, now time.Time) error {
	row, ok, err := tx.FlowLog(i.Scope, i.FlowLogID)
	if err != nil || !ok || row.State == inventory.Gone {
		return err
	}
	row.State, row.GoneAt = inventory.Gone, now
	return tx.PutFlowLog(row)
}

// failed records an answer that was no success (I9).
func (r *Remediator) failed(tx Tx, i Incident, a answer, now time.Time) error {
	old := i
	i.LastError = a.message
	if i.State == Open {
		i.Advice = a.advice
	}
	i.NextAttemptAt = now.Add(backoff(i.Attempts, r.jitter()))
	if a.class != roleSlow {
		i.FailingSince = time.Time{}
	}
	switch a.class {
	case noResource:
		if !i.NotFoundAt.IsZero() && now.Sub(i.NotFoundAt) >= r.Policy.Settle {
			return r.close(tx, i, ResourceGone, "its resource no longer exists: "+a.message, now)
		}
		if i.NotFoundAt.IsZero() {
			i.NotFoundAt = now
		}
		i.NextAttemptAt = i.NotFoundAt.Add(r.Policy.Settle)
		return r.put(tx, old, i, a.message, now)
	case tagRefused:
		if !i.Untagged {
			i.Untagged, i.NextAttemptAt = true, now
			return r.put(tx, old, i, a.message, now)
		}
		a.reason = Invalid
	case roleSlow:
		if i.FailingSince.IsZero() {
			i.FailingSince = now
		}
		if now.Sub(i.FailingSince) < roleGrace {
			return r.put(tx, old, i, a.message, now)
		}
	case retry:
		onceStored(tx, func() {
			r.Log.Warn("will try again", "flow_log", i.FlowLogID, "account", i.Scope.Account, "region", i.Scope.Region, "error", a.message)
		})
		return r.put(tx, old, i, a.message, now)
	}
	return r.block(tx, i, a, now)
}

// roleGrace is how long a role that can't be assumed counts as IAM being slow.
const roleGrace = 5 * time.Minute

// block records that a person is needed, and tells so once for each reason.
func (r *Remediator) block(tx Tx, i Incident, a answer, now time.Time) error {
	old := i
	if old.State == Open {
		i.Attempts = 0
	}
	i.NextAttemptAt = now.Add(blockedPause(i.Attempts))
	if i.State == Restored {
		return tx.PutIncident(i) // only a look was refused: the flow log is there
	}
	i.State, i.Reason, i.Advice, i.LastError = Blocked, a.reason, a.advice, a.message
	if old.Reason != i.Reason || i.ToldStuckAt.IsZero() && !i.StuckNews {
		kind := alert.Blocked
		if a.reason == Decoy {
			kind = alert.Decoy
		}
		var err error
		if i, err = r.stuck(tx, i, Stuck{Kind: kind, Message: a.message, Advice: a.advice, Differences: a.differences}, now); err != nil {
			return err
		}
	}
	return r.put(tx, old, i, a.message, now)
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
