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

// sendHeartbeats tells the monitor of heartbeat.url that all is well, while it is.
// Silence is the alarm, so that it needs nothing of ours to work.
func (h health) sendHeartbeats(ctx context.Context) error {
	if h.d.Config.Heartbeat.URL == "" {
		return nil
	}
	monitor := sink.NewHeartbeat(h.d.Config.Heartbeat.URL, h.d.Version)
	defer monitor.Close()
	var daemon, delivery outage.Outage
	daemon.Note(errStarting) // not reported; its end is
	for {
		why := h.unwell()
		var err error
		if why == nil {
			err = monitor.Beat(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		ours, theirs := daemon.Note(why), delivery.Note(err)
		switch {
		case ours == outage.Began:
			h.d.Log.Error("the heartbeat stops, so that its monitor tells people", "reason", why)
		case theirs == outage.Began:
			h.d.Log.Warn("the heartbeat does not reach its monitor; trying again", "error", err)
		case why == nil && err == nil && (ours == outage.Ended || theirs == outage.Ended):
			h.d.Log.Info("the heartbeat's monitor hears that all is well")
		}
		if !retry.Sleep(ctx, h.d.Config.Heartbeat.Every) {
			return nil
		}
	}
}

var errStarting = errors.New("starting")

// How long an alert of level high or above may wait for a sink that is not the log,
// before the heartbeat's silence tells people instead; and how often that is looked
// up.
const (
	untakenAfter = 15 * time.Minute
	untakenEvery = 10 * time.Second
)

// untaken knows whether urgent alerts reach anybody.
type untaken struct {
	sinks  []string // every sink but the log; none: nothing is expected of them
	oldest func(ctx context.Context, sinks []string, from time.Time) (alert.Alert, bool, error)

	mu     sync.Mutex
	asked  time.Time
	answer error
}

// why says which alert nobody has taken, or nothing. Where that can't be read,
// others tell what is wrong with the state file.
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
