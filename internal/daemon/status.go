package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/systemd"
)

// statusPause is how often the line of `systemctl status` is written. It is written at once
// when the daemon becomes ready or ceases to be.
const statusPause = 15 * time.Second

// reportStatus sends systemd a line about what the daemon is doing, until ctx ends.
func (d *Daemon) reportStatus(ctx context.Context) error {
	if !systemd.Listening() {
		return nil
	}
	for {
		ready := d.ready() == nil
		if c, err := d.store.Counts(ctx); err == nil {
			c.RefreshedAt = d.current(c.RefreshedAt)
			d.report(systemd.Status(statusLine(c, d.share(c), d.problem(), time.Now())))
		}
		for end := time.Now().Add(statusPause); time.Now().Before(end) && ready == (d.ready() == nil); {
			if !retry.Sleep(ctx, time.Second) {
				return nil
			}
		}
	}
}

// problem returns what the status line begins with if the daemon is not well.
func (d *Daemon) problem() string {
	if err := d.ready(); err != nil {
		return "not ready: " + err.Error()
	}
	if err := d.unwell(); err != nil {
		return "NOT WELL: " + err.Error()
	}
	return ""
}

// share returns how many scopes are refreshed; before AWS has been reached, all that the
// state file has.
func (d *Daemon) share(c store.Counts) share {
	if !d.connected.Load() {
		return share{len(c.RefreshedAt), len(c.RefreshedAt)}
	}
	return d.refreshes.share()
}

// statusLine returns the status as a line. problem comes first, if there is one.
func statusLine(c store.Counts, scopes share, problem string, now time.Time) string {
	protected := c.Restorable["yes"] + c.Restorable["no"] + c.Restorable["unknown"]
	left := unguarded(c)
	where := alert.Plural(scopes.all, "scope")
	if scopes.refreshed < scopes.all {
		where = scopes.String()
	}
	parts := []string{fmt.Sprintf("%s protected in %s", alert.Plural(max(0, protected-left), "flow log"), where)}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("%d NOT guarded (no scope of the configuration)", left))
	}
	switch {
	case protected == 0:
	case c.Restorable["no"] > 0:
		parts = append(parts, fmt.Sprintf("%d NOT restorable", c.Restorable["no"]))
	case c.Restorable["unknown"] == protected:
		parts = append(parts, "not rehearsed yet")
	case c.Restorable["unknown"] > 0:
		parts = append(parts, fmt.Sprintf("%d not rehearsed yet", c.Restorable["unknown"]))
	default:
		parts = append(parts, "all restorable")
	}
	if c.Released.FlowLogs > 0 {
		parts = append(parts, fmt.Sprintf("%d RELEASED until %s", c.Released.FlowLogs, minute(c.Released.Until)))
	}
	if at := oldest(c); !at.IsZero() {
		parts = append(parts, "last refresh "+now.Sub(at).Truncate(time.Second).String()+" ago")
	}
	if n := c.Incidents["open"]; n > 0 {
		parts = append(parts, alert.Plural(n, "incident")+" open")
	}
	if n := c.Incidents["blocked"]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d BLOCKED", n))
	}
	waiting, refused := 0, 0
	for sink, n := range c.Pending {
		if c.Refused[sink] > 0 {
			refused += n
		} else {
			waiting += n
		}
	}
	if refused > 0 {
		parts = append(parts, fmt.Sprintf("%s NOT delivered (%s)", alert.Plural(refused, "alert"), strings.Join(slices.Sorted(maps.Keys(c.Refused)), ", ")))
	}
	if waiting > 0 {
		parts = append(parts, alert.Plural(waiting, "alert")+" on the way")
	}
	line := strings.Join(parts, ", ")
	if problem != "" {
		line = problem + "; " + line
	}
	return line
}

// unguarded counts the protected flow logs in scopes that are not refreshed any more.
func unguarded(c store.Counts) (n int) {
	for _, in := range c.Protected {
		n += in
	}
	for s := range c.RefreshedAt {
		n -= c.Protected[s.String()]
	}
	return n
}

// minute formats a time in UTC, to the minute.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// oldest returns the least recent of the scopes' refreshes; zero: there was none.
func oldest(c store.Counts) (at time.Time) {
	for _, t := range c.RefreshedAt {
		if at.IsZero() || !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}
