package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
)

// health judges how the daemon is, for /healthz, /readyz, systemd and the heartbeat. It changes
// nothing, and is safe for concurrent use after open.
type health struct{ *Daemon }

func (d *Daemon) health() health { return health{d} }

// healthy returns an error if a loop or a task makes no progress.
func (h health) healthy() error {
	if stalled := h.progress.Stalled(time.Now()); len(stalled) > 0 {
		return errors.New("no progress: " + strings.Join(stalled, ", "))
	}
	return nil
}

// ready returns an error unless the first refresh of each scope is over, one of them was
// complete, the queue answers, and the store takes commits.
func (h health) ready() error {
	if !h.connected.Load() {
		return errors.New("AWS has not been reached yet")
	}
	if err := h.refreshes.overview().ready(); err != nil {
		return err
	}
	if err := h.storeHealth.ready(); err != nil {
		return err
	}
	return h.queue.ready()
}

// unwell returns why a person should look at this daemon, or nil.
func (h health) unwell() error {
	if err := h.healthy(); err != nil {
		return err
	}
	if err := h.ready(); err != nil {
		return err
	}
	if err := h.refreshes.overview().fresh(); err != nil {
		return err
	}
	return h.untaken.why(time.Now())
}

// untakenAfter is how long an alert of level high or above may wait for a sink that is not
// the log, before the heartbeat stops so that people notice. The store is asked for such
// alerts every untakenEvery at most.
const (
	untakenAfter = 15 * time.Minute
	untakenEvery = 10 * time.Second
)

// urgentLevels are the levels of these alerts.
var urgentLevels = []alert.Level{alert.High, alert.Critical}

// untaken knows whether an urgent alert has reached no sink but the log for too long. It is
// safe for concurrent use.
type untaken struct {
	sinks []string // every sink but the log
	store *store.Store

	mu     sync.Mutex // guards what follows
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
	a, ok, err := u.store.Untaken(ctx, u.sinks, urgentLevels, now.Add(-untakenAfter))
	u.asked, u.answer = now, nil
	if err == nil && ok {
		u.answer = fmt.Errorf("no sink but the log has taken the alert %s (%s) for %s", a.ID, a.Level, now.Sub(a.Time.Time).Truncate(time.Minute))
	}
	return u.answer
}

// sendHeartbeats sends requests to heartbeat.url while all is well. The monitor there alerts
// people when they cease, so that its alarm needs nothing of this daemon.
func (h health) sendHeartbeats(ctx context.Context) error {
	if h.Config.Heartbeat.URL == "" {
		return nil
	}
	monitor := sink.NewHeartbeat(h.Config.Heartbeat.URL, h.Version)
	defer monitor.Close()
	var daemon, delivery outage.Outage
	daemon.Note(errStarting) // an outage that is not logged; its end, the first heartbeat, is
	for {
		unwell := h.unwell()
		var err error
		if unwell == nil {
			err = monitor.Send(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		health, sent := daemon.Note(unwell), delivery.Note(err)
		again := health == outage.Ended || sent == outage.Ended
		switch {
		case health == outage.Began:
			h.Log.Error("the heartbeat stops, so that its monitor alerts people", "reason", unwell)
		case sent == outage.Began:
			h.Log.Warn("the heartbeat does not reach its monitor; trying again", "error", err)
		case unwell == nil && err == nil && again:
			h.Log.Info("heartbeats are sent: all is well")
		}
		if !retry.Sleep(ctx, h.Config.Heartbeat.Every) {
			return nil
		}
	}
}

var errStarting = errors.New("starting")
