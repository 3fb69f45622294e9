package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/backup"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/systemd"
)

// adoptCopy writes the state file from its copy in S3, if there is no state file on this
// machine. unread says why a copy that may exist could not be read: the daemon then starts
// with an empty state file.
func (d *Daemon) adoptCopy(ctx context.Context) (unread, err error) {
	path := d.Config.State.Path
	if _, err := os.Stat(path); d.backup == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil, nil // store.Open reports other errors
	}
	loading, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	d.report(systemd.Starting(loadTimeout + time.Minute))
	copied := path + ".copy"
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), store.Discard(copied)); err != nil {
		return nil, fmt.Errorf("state.path: %w", err)
	}
	from, err := d.backup.Load(loading, copied)
	switch {
	case errors.Is(err, backup.ErrNone):
		d.Log.Info("no state file here, and no copy of one: beginning anew", "backup", d.backup.Place.String())
		return nil, nil
	case errors.Is(err, backup.ErrRefused):
		return err, nil
	case err != nil:
		return nil, fmt.Errorf("state.backup: %w: see that it can be reached; \"\" begins with an empty memory", err)
	}
	d.report(systemd.Starting(startWithin)) // every row is written again
	now := time.Now()
	var found store.Adopted
	err = store.Adopt(ctx, copied, path, store.Adoption{Now: now, Made: from.Made, Stale: staleAfter, Route: d.route,
		Alert: func(a store.Adopted) alert.Alert { found = a; return adoptedAlert(from, a, now) }})
	if err != nil {
		return nil, fmt.Errorf("state.backup: the copy in %s: %w", d.backup.Place, err)
	}
	d.Log.Warn("the state file is back from its copy, which is an alert: an attacker with write access to the bucket may have written it", "backup", from.URL,
		"age", now.Sub(from.Made).Round(time.Second).String(), "flow_logs", found.FlowLogs, "releases_dropped", found.Released.FlowLogs)
	return nil, nil
}

// adoptedAlert says that the state file was written from a copy, from which one, and what
// of it was not taken.
func adoptedAlert(from backup.Copy, found store.Adopted, now time.Time) alert.Alert {
	var text strings.Builder
	part := func(is bool, format string, args ...any) {
		if is {
			fmt.Fprintf(&text, format, args...)
		}
	}
	part(true, "the state file came back from its copy in S3: there was none on this machine, and the copy is %s", from.URL)
	part(from.Version != "", ", version %s", from.Version)
	part(true, ", last modified %s (%s ago), with %s protected in %s",
		minute(from.Made), now.Sub(from.Made).Round(time.Second), alert.Plural(found.FlowLogs, "flow log"), alert.Plural(found.Scopes, "scope"))
	part(!found.RefreshedAt.IsZero(), ", last refreshed %s", minute(found.RefreshedAt))
	part(found.Released.FlowLogs > 0, "; the releases of %s, the last until %s, do not hold any more", alert.Plural(found.Released.FlowLogs, "flow log"), minute(found.Released.Until))
	part(found.Unprotected > 0, "; %s that it did not protect: the first refresh decides anew", alert.Plural(found.Unprotected, "live flow log"))
	part(found.Final > 0, "; %s in it would have made later deletions count for nothing: they do not any more", alert.Plural(found.Final, "incident"))
	part(found.Alerts > 0, "; %s beyond the newest dropped", alert.Plural(found.Alerts, "undelivered alert"))
	part(found.Stale, "; it is old: what the first refresh does not find is alerted of and not restored")
	a := pipeline.NewAlert(inventory.Scope{}, pipeline.StateFile, alert.High, text.String())
	a.Advice = "see that you know why the state file was gone from this machine, and that nobody but Flowkeeper's role wrote that object (its versions; CloudTrail's data events of the bucket). " +
		"Compare `flowkeeper inventory list` and `flowkeeper incidents list` with AWS, and release anew what should be released (docs/troubleshoot.md#state-file-adopted)"
	a.Write()
	return a
}
