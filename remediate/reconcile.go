package remediate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

const (
	batch        = 50                         // incidents of each kind that a step begins with: few, so that a new one soon has its turn
	mostTogether = 4 * incident.MostResources // incidents of one step, with those that share a call with them
	callsAtOnce  = 4                          // calls of one scope at once

	retryShare = 4               // one in four creates is a retry, even if first attempts wait
	longStep   = 5 * time.Second // a step that has taken longer begins no retry: AWS answers slowly
)

// reconcile does one step: it observes the incidents of w, and creates, tags, closes or postpones them. First it adds the
// alerts that are due; no restore waits for one that can't be added (I7). It returns how many incidents it worked on.
func (r restorer) reconcile(ctx context.Context, w work, keepAlive func()) (int, error) {
	began := r.store.now()
	alertErr := errors.Join(w.readErr, r.notifier.notifyEvents(ctx, w.events), r.notifier.endBursts(ctx, w.bursts))
	if len(w.incidents) == 0 {
		return 0, alertErr
	}
	tagging, due := r.toTag(w.incidents, began)
	shown := r.observe(ctx, due, keepAlive)
	keepAlive()
	p, planErr := r.planStep(ctx, due, shown)
	calls, shareErr := r.share(ctx, p.shared, shown)
	p.tagging = append(tagging, p.tagging...)
	left, err := run(r.tasks(ctx, p, calls, shown, began), r.parallel, keepAlive)
	return len(due) + len(tagging) - left, errors.Join(alertErr, planErr, shareErr, err)
}

// task is a part of a step: one call to AWS with the commit of its answer, or one commit.
type task struct {
	incidents int                           // how many it is about
	do        func() (done bool, err error) // done is false if the incidents are left to a later step
}

// tasks are what a step does once AWS was asked: one task for all incidents without a call, then one for each call.
func (r restorer) tasks(ctx context.Context, p stepPlan, calls []incident.Creation, shown map[string]incident.Observation, began time.Time) (out []task) {
	if len(p.others) > 0 {
		out = append(out, task{len(p.others), func() (bool, error) { return true, r.saveObserved(ctx, p.others, shown) }})
	}
	stored := r.store.now() // when share stored the calls
	for _, g := range calls {
		out = append(out, task{len(g.Incidents), func() (bool, error) {
			if r.store.now().Sub(stored) > incident.SendWithin {
				return false, nil // AWS answers slowly: the next step stores the call anew
			}
			return true, r.createTogether(ctx, g)
		}})
	}
	for _, i := range p.lone {
		out = append(out, task{1, func() (bool, error) {
			if leftToNextStep(i, r.store.now().Sub(began)) {
				return false, nil
			}
			return r.create(ctx, i)
		}})
	}
	for _, alike := range incident.TagBatches(p.tagging) {
		out = append(out, task{len(alike), func() (bool, error) { return r.tag(ctx, alike) }})
	}
	return out
}

// run does tasks, some at the same time, and returns how many incidents are left to a later step.
func run(tasks []task, parallel func(most int, tasks ...func() error) error, keepAlive func()) (int, error) {
	var left atomic.Int32
	var all []func() error
	for _, t := range tasks {
		all = append(all, func() error {
			defer keepAlive()
			done, err := t.do()
			if !done {
				left.Add(int32(t.incidents))
			}
			return err
		})
	}
	err := parallel(callsAtOnce, all...)
	return int(left.Load()), err
}

// leftToNextStep reports whether a retry is left to the next step, because this one has taken long: a first attempt may
// have become due meanwhile, and the next step begins with it.
func leftToNextStep(i incident.Incident, taken time.Duration) bool {
	return i.Tried > 0 && taken > longStep
}

// work is what a step is about.
type work struct {
	next      time.Time           // when something is due next; the zero time: never
	isDue     bool                // something is due now; also if next could not be read
	incidents []incident.Incident // those whose turn it is, and those that may share a call with them
	events    []incident.Event    // that are due
	bursts    []repeat.Burst      // whose window is over
	readErr   error               // why next, or some of the events and bursts, could not be read
}

// due asks the store when something is due next. If that is now, or inAnyCase is set, it also asks what is due.
func (r restorer) due(ctx context.Context, inAnyCase bool) (w work, err error) {
	err = r.ask(ctx, func(tx scopeTx) (err error) {
		var nextErr, eventsErr, burstsErr error
		var upcoming Upcoming
		upcoming, nextErr = tx.NextDue(tx.scope) // it also reads the events and bursts: if they can't be read, restores go on (I7)
		w.next = upcoming.At()
		w.isDue = nextErr != nil || isDue(w.next, tx.now)
		if !inAnyCase && !w.isDue {
			return nil
		}
		if w.incidents, err = r.dueIncidents(tx); err != nil {
			return err
		}
		if w.events, eventsErr = tx.DueEvents(tx.scope, tx.now); eventsErr != nil {
			w.events = nil
		}
		if w.bursts, burstsErr = tx.DueBursts(tx.scope, tx.now, tx.now.Add(-repeat.Orphaned)); burstsErr != nil {
			w.bursts = nil
		}
		w.readErr = errors.Join(nextErr, eventsErr, burstsErr)
		return nil
	})
	return w, err
}

// dueIncidents are the incidents that a step takes up: as many as the pace allows calls for, and those that share a
// call with them.
func (r restorer) dueIncidents(tx scopeTx) ([]incident.Incident, error) {
	if !r.store.configured || r.client.pace.describes.available(tx.now) == 0 {
		return nil, nil
	}
	creates := min(batch, r.client.pace.creates.available(tx.now))
	tags := min(batch, r.client.pace.tags.available(tx.now))
	turns, err := tx.Due(tx.scope, tx.now, incident.Turns{Creates: creates, Retries: r.memory.forRetries(creates), Tags: tags, Others: batch})
	if err != nil {
		return nil, err
	}
	return incident.WithSharing(turns, mostTogether, func(key string, limit int) ([]incident.Incident, error) {
		return tx.Sharing(tx.scope, key, tx.now, limit)
	})
}

// toTag separates the incidents whose replacement is to get tags at once.
func (r restorer) toTag(due []incident.Incident, now time.Time) (tagging, others []incident.Incident) {
	for _, i := range due {
		if _, atOnce := i.LacksTags(r.store.policy, now); atOnce {
			tagging = append(tagging, i)
		} else {
			others = append(others, i)
		}
	}
	return tagging, others
}

// forRetries is how many of a step's creates are kept for incidents that were tried before,
// even if others wait for their first attempt: a quarter of limit. If limit is less than four,
// it is all of limit in every fourth step, and else none.
func (m *scopeMemory) forRetries(limit int) int {
	if n := limit / retryShare; n > 0 {
		return n
	}
	if m.smallSteps++; m.smallSteps%retryShare == 0 {
		return limit
	}
	return 0
}
