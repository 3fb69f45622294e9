package remediate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/inventory"
	"flowkeeper/remediate/repeat"
)

const (
	batch         = 50 // incidents of one Step: few enough that a new one soon has its turn
	createsAtOnce = 4  // creates of one scope at once

	retryShare = 4               // one in so many is a retry, where first attempts wait
	longStep   = 5 * time.Second // a step begins no retry after that: AWS answers slowly
)

// Step does what is due in one scope, once, as far as the scope's pace allows at this
// moment: one shared observation, then one commit for all that needs no create, beside at
// most one create and one commit for each of the others, with a beat after each. It
// reports how many incidents it worked on; the caller calls again while there are any.
func (r *Remediator) Step(ctx context.Context, s inventory.Scope, beat func()) (int, error) {
	api, ours := r.Fleet.EC2(s)
	var due []incident.Incident
	var events []incident.Event
	var bursts []repeat.Burst
	began := r.Now()
	calls := 0
	if ours {
		calls = r.scope(s).pace.available(began)
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
	if err := r.notifyDue(ctx, s, events); err != nil {
		return 0, err
	}
	if err := r.alertDueBursts(ctx, bursts); err != nil || len(due) == 0 {
		return 0, err
	}
	shown := r.observe(ctx, s, api, due)
	beat()
	creates, others, unread := r.splitCreates(ctx, s, due, shown)
	var tasks []func() error
	if len(others) > 0 {
		tasks = append(tasks, func() error { defer beat(); return r.record(ctx, s, others, shown) })
	}
	var left atomic.Int32
	for _, i := range creates {
		tasks = append(tasks, func() error {
			defer beat()
			if i.Tried > 0 && r.Now().Sub(began) > longStep {
				left.Add(1)
				return nil // a first attempt may have come meanwhile: the next step begins with that
			}
			return r.create(ctx, s, api, i)
		})
	}
	err = r.inParallel(createsAtOnce, tasks...)
	return len(due) - int(left.Load()), errors.Join(unread, err)
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
