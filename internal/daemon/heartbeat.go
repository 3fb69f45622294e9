package daemon

import (
	"context"
	"errors"

	"flowkeeper/alert/sink"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
)

// sendHeartbeats sends requests to heartbeat.url while all is well. The monitor there alerts
// people when they cease, so that its alarm needs nothing of this daemon.
func (h health) sendHeartbeats(ctx context.Context) error {
	if h.Config.Heartbeat.URL == "" {
		return nil
	}
	monitor := sink.NewHeartbeat(h.Config.Heartbeat.URL, h.Version)
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
