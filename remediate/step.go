package remediate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

const (
	batch        = 50                         // incidents of each kind that a step begins with: few, so that a new one soon has its turn
	mostTogether = 4 * incident.MostResources // incidents of one step, with those that share a call with them
	callsAtOnce  = 4                          // calls of one scope at once

	retryShare = 4               // one in so many is a retry, where first attempts wait
	longStep   = 5 * time.Second // a step begins no retry after that: AWS answers slowly
)

// step is [Remediator.Step].
func (r restorer) step(ctx context.Context, beat func()) (int, error) {
	began, news := r.store.now(), r.memory.nextNews()
	due, unalerted, err := r.due(ctx, began)
	if err != nil {
		return 0, err
	}
	if len(due) == 0 {
		return 0, unalerted
	}
	tagging, due := r.toTag(due, began)
	if len(tagging) == 0 {
		if due = r.awaitAnswers(ctx, due, news); len(due) == 0 {
			return 0, unalerted
		}
	}
	shown := r.observe(ctx, due, beat)
	beat()
	s, unread := r.split(ctx, due, shown)
	calls, unnoted := r.share(ctx, s.shared, shown)
	noted := r.store.now()
	var tasks []func() error
	do := func(task func() error) {
		tasks = append(tasks, func() error { defer beat(); return task() })
	}
	if len(s.others) > 0 {
		do(func() error { return r.record(ctx, s.others, shown) })
	}
	var left atomic.Int32
	doIf := func(n int, task func() (bool, error)) {
		do(func() error {
			done, err := task()
			if !done {
				left.Add(int32(n))
			}
			return err
		})
	}
	for _, g := range calls {
		doIf(len(g.Incidents), func() (bool, error) {
			if r.store.now().Sub(noted) > incident.SendWithin {
				return false, nil // AWS answers slowly: the next step notes it anew
			}
			return true, r.createTogether(ctx, g)
		})
	}
	for _, i := range s.lone {
		doIf(1, func() (bool, error) {
			if r.isLate(i, began) {
				return false, nil
			}
			return r.create(ctx, i)
		})
	}
	for _, alike := range incident.SharedTags(append(tagging, s.tagging...)) {
		doIf(len(alike), func() (bool, error) { return r.tag(ctx, alike) })
	}
	err = r.parallel(callsAtOnce, tasks...)
	return len(due) + len(tagging) - int(left.Load()), errors.Join(unalerted, unread, unnoted, err)
}

// isLate reports whether a retry is left to the next step, for a first attempt may have come
// meanwhile: that step begins with it.
func (r restorer) isLate(i incident.Incident, began time.Time) bool {
	return i.Tried > 0 && r.store.now().Sub(began) > longStep
}

// due are the incidents of this step: those whose turn it is, and those that may share a call
// with them. It also adds the alerts that are due; unalerted is why that failed for some: no
// restore waits for them (I7).
func (r restorer) due(ctx context.Context, now time.Time) (due []incident.Incident, unalerted, err error) {
	var events []incident.Event
	var bursts []repeat.Burst
	err = r.store.view(ctx, func(tx scopeTx) (err error) {
		if due, err = r.dueIncidents(tx, now); err != nil {
			return err
		}
		var noEvents, noBursts error
		if events, noEvents = tx.DueEvents(tx.scope, tx.now); noEvents != nil {
			events = nil
		}
		if bursts, noBursts = tx.DueBursts(tx.scope, tx.now); noBursts != nil {
			bursts = nil
		}
		unalerted = errors.Join(noEvents, noBursts)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return due, errors.Join(unalerted, r.notifier.notifyEvents(ctx, events), r.notifier.endBursts(ctx, bursts)), nil
}

func (r restorer) dueIncidents(tx scopeTx, now time.Time) ([]incident.Incident, error) {
	if !r.store.configured || r.client.pace.describes.available(now) == 0 {
		return nil, nil
	}
	creates := min(batch, r.client.pace.creates.available(now))
	tags := min(batch, r.client.pace.tags.available(now))
	turns, err := tx.Due(tx.scope, tx.now, incident.Turns{Creates: creates, Retries: r.memory.forRetries(creates), Tags: tags, Others: batch})
	if err != nil {
		return nil, err
	}
	var due []incident.Incident
	keys := map[string]bool{}
	for _, i := range turns {
		key := i.CallKey()
		switch {
		case key == "":
			due = append(due, i)
		case keys[key] || len(due) >= mostTogether: // it comes with another; or the next step takes it up
		default:
			keys[key] = true
			sharing, err := tx.Sharing(tx.scope, key, tx.now, mostTogether-len(due))
			if err != nil {
				return nil, err
			}
			due = append(due, sharing...)
			if !slices.ContainsFunc(sharing, func(o incident.Incident) bool { return o.FlowLogID == i.FlowLogID }) {
				due = append(due, i) // the clock went back: Sharing takes its time for one to come
			}
		}
	}
	return due, nil
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

// forRetries is how many places of a step's incidents are kept for those that were
// tried before, though others wait for their first attempt: a quarter, or all of
// every fourth step.
func (m *scopeMemory) forRetries(limit int) int {
	if n := limit / retryShare; n > 0 {
		return n
	}
	if m.turn++; m.turn%retryShare == 0 {
		return limit
	}
	return 0
}
