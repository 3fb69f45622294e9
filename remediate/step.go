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
	batch         = 50 // incidents of one Step: few enough that a new one soon has its turn
	createsAtOnce = 4  // creates of one scope at once

	retryShare = 4               // one in so many is a retry, where first attempts wait
	longStep   = 5 * time.Second // a step begins no retry after that: AWS answers slowly
)

// step is [Remediator.Step].
func (r restorer) step(ctx context.Context, beat func()) (int, error) {
	began := r.store.now()
	calls := 0
	if r.store.configured {
		calls = r.client.pace.available(began)
	}
	var due []incident.Incident
	var events []incident.Event
	var bursts []repeat.Burst
	var unalerted error // restores do not wait for alerts that can't be read or written (I7)
	err := r.store.view(ctx, func(tx scopeTx) (err error) {
		if calls > 0 {
			limit := min(batch, calls-1) // one call is for the observation
			if due, err = tx.Due(tx.scope, tx.now, limit, r.memory.forRetries(limit)); err != nil {
				return err
			}
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
		return 0, err
	}
	unalerted = errors.Join(unalerted, r.notifier.notifyEvents(ctx, events), r.notifier.endBursts(ctx, bursts))
	if len(due) == 0 {
		return 0, unalerted
	}
	shown := r.observe(ctx, due)
	beat()
	creates, others, unread := r.splitCreates(ctx, due, shown)
	var tasks []func() error
	if len(others) > 0 {
		tasks = append(tasks, func() error { defer beat(); return r.record(ctx, others, shown) })
	}
	var left atomic.Int32
	for _, i := range creates {
		tasks = append(tasks, func() error {
			defer beat()
			if i.Tried > 0 && r.store.now().Sub(began) > longStep {
				left.Add(1)
				return nil // a first attempt may have come meanwhile: the next step begins with that
			}
			return r.create(ctx, i)
		})
	}
	err = r.parallel(createsAtOnce, tasks...)
	return len(due) - int(left.Load()), errors.Join(unalerted, unread, err)
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
