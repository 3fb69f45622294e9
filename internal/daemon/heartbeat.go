package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
)

// sendHeartbeats sends requests to heartbeat.url while all is well. The monitor there alerts
// people when they cease, so that its alarm needs nothing of this daemon.
func (h health) sendHeartbeats(ctx context.Context) error {
	if h.d.Config.Heartbeat.URL == "" {
		return nil
	}
	monitor := sink.NewHeartbeat(h.d.Config.Heartbeat.URL, h.d.Version)
	defer monitor.Close()
	var daemon, delivery outage.Outage
	daemon.Note(errStarting) // not logged, so that the first heartbeat is
	for {
		unwell := h.unwell()
		var err error
		if unwell == nil {
			err = monitor.Beat(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		health, sent := daemon.Note(unwell), delivery.Note(err)
		switch {
		case health == outage.Began:
			h.d.Log.Error("the heartbeat stops, so that its monitor tells people", "reason", unwell)
		case sent == outage.Began:
			h.d.Log.Warn("the heartbeat does not reach its monitor; trying again", "error", err)
		case unwell == nil && err == nil && (health == outage.Ended || sent == outage.Ended):
			h.d.Log.Info("the heartbeat's monitor hears that all is well")
		}
		if !retry.Sleep(ctx, h.d.Config.Heartbeat.Every) {
			return nil
		}
	}
}

var errStarting = errors.New("starting")

// untakenAfter is how long an alert of level high or above may wait for a sink that is not
// the log, before the heartbeat stops so that people notice. The store is asked for such
// alerts every untakenEvery at most.
const (
	untakenAfter = 15 * time.Minute
	untakenEvery = 10 * time.Second
)

// untaken knows whether an urgent alert has reached no sink but the log for too long. It is
// safe for concurrent use.
type untaken struct {
	sinks  []string // every sink but the log
	oldest func(ctx context.Context, sinks []string, from time.Time) (alert.Alert, bool, error)

	mu     sync.Mutex
	asked  time.Time
	answer error
}

// why returns which alert no sink has taken, or nil. It is nil too if the state file can't
// be read, which other checks report.
func (u *untaken) why(now time.Time) error {
	if len(u.sinks) == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if age := now.Sub(u.asked); age >= 0 && age < untakenEvery {
		return u.answer
	}
	ctx, cancel := context.WithTimeout(context.Background(), untakenEvery)
	defer cancel()
	a, ok, err := u.oldest(ctx, u.sinks, now.Add(-untakenAfter))
	u.asked, u.answer = now, nil
	if err == nil && ok {
		u.answer = fmt.Errorf("no sink but the log has taken the alert %s (%s) for %s", a.ID, a.Level, now.Sub(a.Time.Time).Truncate(time.Minute))
	}
	return u.answer
}
