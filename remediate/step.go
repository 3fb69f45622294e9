package remediate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

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

// observed is an observation for one incident, or why there is none.
type observed struct {
	incident.Observation
	err error
}

// lookAt looks at the resources of the incidents, in shared calls, and takes
// looks made beside a commit where they are fresh.
func (r *Remediator) lookAt(ctx context.Context, s inventory.Scope, api EC2, due []Incident) map[string]observed {
	out := map[string]observed{}
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
			out[i.ResourceID] = observed{Observation: l}
			continue
		}
		out[i.ResourceID] = observed{}
		ask = append(ask, i.ResourceID)
	}
	for ids := range slices.Chunk(ask, perLook) {
		st.pace.spend(r.Now())
		l, err := r.look(ctx, s, api, ids)
		for _, id := range ids {
			out[id] = observed{l, err}
		}
	}
	return out
}

// act does one step of one incident.
func (r *Remediator) act(ctx context.Context, s inventory.Scope, api EC2, i Incident, o observed) error {
	id, shown := i.FlowLogID, o.on(i.ResourceID)
	switch {
	case i.Settled():
		return r.update(ctx, s, id, nil, func(c *incident.Case) { c.Finish(id) })
	case o.err != nil && ctx.Err() != nil:
		return nil // stopping: the next start observes again
	case o.err != nil:
		a := classifyError(o.err)
		return r.update(ctx, s, id, nil, func(c *incident.Case) { c.ApplyFailure(id, a, r.jitter()) })
	case i.State == Restored:
		return r.update(ctx, s, id, shown, func(c *incident.Case) { c.Verify(id, o.Observation) })
	}
	d, err := r.decide(ctx, s, i, o)
	if err != nil {
		return err
	}
	if d.Next != incident.Create {
		return r.update(ctx, s, id, shown, func(c *incident.Case) { c.ApplyObservation(id, o.Observation) })
	}
	return r.create(ctx, s, api, i)
}

// on are the IDs of the flow logs that an observation shows on a resource.
func (o observed) on(resource string) (ids []string) {
	for id, f := range o.FlowLogs {
		if f.ResourceID == resource {
			ids = append(ids, id)
		}
	}
	return ids
}

// decide says whether a create is called for. It changes nothing.
func (r *Remediator) decide(ctx context.Context, s inventory.Scope, i Incident, o observed) (d incident.Decision, err error) {
	err = r.Store.View(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, incident.Part{IDs: append(o.on(i.ResourceID), i.FlowLogID)}, r.Now())
		if err == nil {
			d = c.Decide(i, o.Observation)
		}
		return err
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
	var after observed
	if a.Class == incident.AlreadyThere || a.Class == incident.TokenMismatch {
		if after.Observation, err = r.look(call, s, api, []string{i.ResourceID}); err != nil {
			a = classifyError(err)
		}
	}
	shown := after.on(i.ResourceID)
	if a.ID != "" {
		shown = append(shown, a.ID)
	}
	return r.update(context.WithoutCancel(ctx), s, i.FlowLogID, shown, func(c *incident.Case) {
		jitter := 0.0
		if a.Fails() {
			jitter = r.jitter()
		}
		c.ApplyAnswer(i.FlowLogID, a, after.Observation, jitter)
	})
}

// oneAttempt leaves retries to the state file (docs/decisions/retries.md).
func oneAttempt(o *ec2.Options) { o.RetryMaxAttempts = 1 }

// update changes an incident as it is now, in one transaction, then alerts people of
// what its events have come to. beside are the IDs of other flow logs that the change
// is about.
func (r *Remediator) update(ctx context.Context, s inventory.Scope, id string, beside []string, change func(*incident.Case)) error {
	var before, after Incident
	var log []incident.LogLine
	err := r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		c, err := r.load(tx, s, incident.Part{IDs: append([]string{id}, beside...)}, now)
		if err != nil {
			return err
		}
		var ok bool
		if before, ok = c.Incident(id); !ok {
			return nil
		}
		change(c)
		if err := r.save(tx, c); err != nil {
			return err
		}
		after, _ = c.Incident(id)
		log = c.Effects().Log
		if err := r.tellDrift(tx, after, now); err != nil {
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
		return nil
	})
	if err != nil {
		return err
	}
	r.logChanges(log)
	r.Wake()
	if r.Meter != nil {
		r.Meter.Changed(before, after)
	}
	return nil
}

// logChanges logs what has become of incidents, once that is on disk.
func (r *Remediator) logChanges(lines []incident.LogLine) {
	for _, l := range lines {
		i := l.Incident
		log := r.Log.With("flow_log", i.FlowLogID, "account", i.Scope.Account, "region", i.Scope.Region)
		if l.Retry {
			log.Warn("will try again", "error", l.Text)
			continue
		}
		if i.Reason != "" {
			log = log.With("reason", i.Reason)
		}
		if i.NewID != "" {
			log = log.With("new_flow_log", i.NewID)
		}
		log.Info("incident "+string(i.State), "text", l.Text)
	}
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
