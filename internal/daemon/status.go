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
	"flowkeeper/remediate/incident"
	"flowkeeper/systemd"
)

// statusPause is how often the line of `systemctl status` is written. It is written at once
// when the daemon becomes ready or ceases to be.
const statusPause = 15 * time.Second

// reportStatus sends systemd a line about what the daemon is doing, until ctx ends.
func (h health) reportStatus(ctx context.Context) error {
	if !systemd.Listening() {
		return nil
	}
	for {
		ready := h.ready() == nil
		if c, err := h.store.Counts(ctx); err == nil {
			c.RefreshedAt = h.Current(c.RefreshedAt)
			h.report(systemd.Status(statusLine(c, h.share(c), h.problem(), time.Now())))
		}
		for end := time.Now().Add(statusPause); time.Now().Before(end) && ready == (h.ready() == nil); {
			if !retry.Sleep(ctx, time.Second) {
				return nil
			}
		}
	}
}

// problem returns what the status line begins with if the daemon is not well.
func (h health) problem() string {
	if err := h.ready(); err != nil {
		return "not ready: " + err.Error()
	}
	if err := h.unwell(); err != nil {
		return "NOT WELL: " + err.Error()
	}
	return ""
}

// share returns how many scopes are refreshed; before AWS has been reached, all that the
// state file has.
func (h health) share(c store.Counts) share {
	if !h.connected.Load() {
		return share{len(c.RefreshedAt), len(c.RefreshedAt)}
	}
	return h.refreshes.overview().share()
}

// statusLine returns the status as a line. problem comes first, if there is one.
func statusLine(c store.Counts, scopes share, problem string, now time.Time) string {
	var parts []string
	part := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	notRestorable, notRehearsed := c.Restorable["no"], c.Restorable["unknown"]
	protected := c.Restorable["yes"] + notRestorable + notRehearsed
	left := notConfigured(c)
	where := alert.Plural(scopes.all, "scope")
	if scopes.refreshed < scopes.all {
		where = scopes.String()
	}
	part(true, "%s protected in %s", alert.Plural(max(0, protected-left), "flow log"), where)
	part(left > 0, "%d NOT protected (no scope of the configuration)", left)
	switch {
	case protected == 0:
	case notRestorable > 0:
		part(true, "%d NOT restorable", notRestorable)
	case notRehearsed == protected:
		part(true, "not rehearsed yet")
	case notRehearsed > 0:
		part(true, "%d not rehearsed yet", notRehearsed)
	default:
		part(true, "all restorable")
	}
	part(c.Released.FlowLogs > 0, "%d RELEASED until %s", c.Released.FlowLogs, minute(c.Released.Until))
	refreshed := incident.Soonest(slices.Collect(maps.Values(c.RefreshedAt))...)
	part(!refreshed.IsZero(), "last refresh %s ago", now.Sub(refreshed).Truncate(time.Second))
	part(c.Incidents["open"] > 0, "%s open", alert.Plural(c.Incidents["open"], "incident"))
	part(c.Incidents["blocked"] > 0, "%d BLOCKED", c.Incidents["blocked"])
	waiting, refused := 0, 0
	for sink, n := range c.Pending {
		if c.Refused[sink] > 0 {
			refused += n
		} else {
			waiting += n
		}
	}
	part(refused > 0, "%s NOT delivered (%s)", alert.Plural(refused, "alert"), strings.Join(slices.Sorted(maps.Keys(c.Refused)), ", "))
	part(waiting > 0, "%s on the way", alert.Plural(waiting, "alert"))
	line := strings.Join(parts, ", ")
	if problem != "" {
		line = problem + "; " + line
	}
	return line
}

// notConfigured counts the flow logs to protect in scopes that are not refreshed any more.
func notConfigured(c store.Counts) (n int) {
	for _, in := range c.Protected {
		n += in
	}
	for s := range c.RefreshedAt {
		n -= c.Protected[s]
	}
	return n
}

// minute formats a time in UTC, to the minute.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
