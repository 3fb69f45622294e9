package daemon

import (
	"context"

	"flowkeeper/alert"
)

// keepBeating tells the monitor of heartbeat.url that all is well, while it is.
// Silence is the alarm, so that it needs nothing of ours to work.
func (d *Daemon) keepBeating(ctx context.Context) error {
	if d.Config.Heartbeat.URL == "" {
		return nil
	}
	h := alert.NewHeartbeat(d.Config.Heartbeat.URL, d.Version)
	defer h.Close()
	silent, failing := true, false
	for {
		why := d.unwell()
		var err error
		if why == nil {
			err = h.Beat(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		// Each change is logged once. That a start takes a moment is none.
		switch {
		case why != nil && !silent:
			d.Log.Error("the heartbeat stops, so that its monitor tells people", "reason", why)
		case err != nil && !failing:
			d.Log.Warn("the heartbeat does not reach its monitor; trying again", "error", err)
		case why == nil && err == nil && (silent || failing):
			d.Log.Info("the heartbeat's monitor hears that all is well")
		}
		silent, failing = why != nil, err != nil
		if !sleep(ctx, d.Config.Heartbeat.Every) {
			return nil
		}
	}
}

// unwell says why a person should look at this daemon, or nothing.
func (d *Daemon) unwell() error {
	if err := d.healthy(); err != nil {
		return err
	}
	if err := d.ready(); err != nil {
		return err
	}
	return d.refreshes.fresh()
}
