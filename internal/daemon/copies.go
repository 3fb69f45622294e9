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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/alert"
	"flowkeeper/internal/backup"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/systemd"
)

// factSaved is where this state file was last copied to.
const factSaved = "saved"

const (
	staleAfter  = 48 * time.Hour  // age of a copy: if it is older, what the first refresh does not find causes alerts, and is not restored
	loadTimeout = 5 * time.Minute // of reading a copy at the start
	saveTimeout = 5 * time.Minute
	lastTimeout = 10 * time.Second // of the copy at the end
	saveEvery   = time.Second      // how often to ask whether a copy is due
)

// newBackup returns nil if state.backup is empty.
func newBackup(base aws.Config, url string) (*backup.Backup, error) {
	if url == "" {
		return nil, nil
	}
	place, err := backup.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("state.backup: %w", err)
	}
	api := s3.NewFromConfig(base, func(o *s3.Options) { o.UsePathStyle = base.BaseEndpoint != nil })
	return &backup.Backup{API: api, Place: place}, nil
}

// copyStateFile writes copies of the state file until ctx ends, and a last one
// then.
func (d *Daemon) copyStateFile(ctx context.Context) error {
	if d.backup == nil {
		return nil
	}
	c := &copier{d: d, outage: d.newOutage(alert.PartBackup, "the state file can be copied to state.backup again")} // changes: 0, so that the first copy has all since the file was opened
	c.version, _ = d.store.Version(ctx)
	for retry.Sleep(ctx, saveEvery) {
		c.noteChanges(ctx)
		if now := time.Now(); c.schedule.Due(now) {
			c.save(ctx, now, saveTimeout)
		}
	}
	last := context.WithoutCancel(ctx)
	if c.noteChanges(last); c.schedule.Stale() {
		c.save(last, time.Now(), lastTimeout)
	}
	return nil
}

// copier makes the copies of the state file. copyStateFile's goroutine owns it.
type copier struct {
	d        *Daemon
	schedule backup.Schedule
	outage   *pipeline.Outage
	changes  int64 // of the store, at the last noteChanges
	version  int64 // of the file at that time: other processes change it too
}

// noteChanges notes in the schedule if this process or a command has changed the state file.
func (c *copier) noteChanges(ctx context.Context) {
	n := c.d.store.Changes()
	v, err := c.d.store.Version(ctx)
	if err != nil {
		v = c.version
	}
	if n != c.changes || v != c.version {
		c.changes, c.version = n, v
		c.schedule.Changed(time.Now())
	}
}

func (c *copier) save(ctx context.Context, now time.Time, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := c.copy(ctx, now)
	c.schedule.Saved(now, err)
	if c.outage.Note(err) == outage.Began {
		c.d.Log.Warn("the state file could not be copied; trying again", "error", err)
	}
	if err == nil {
		c.outage.End(ctx)
	} else if c.outage.Failures() >= 3 {
		c.outage.Alert(ctx, "the state file can't be copied to state.backup, so that it would be lost with this machine: "+err.Error())
	}
}

// copy makes one copy.
func (c *copier) copy(ctx context.Context, now time.Time) error {
	id, err := c.d.store.ID(ctx)
	if err != nil {
		return err
	}
	place := c.d.backup.Place.String()
	saved, err := c.d.store.Fact(ctx, factSaved)
	if err != nil {
		return err
	}
	copied := c.d.Config.State.Path + ".copy"
	if err := store.Discard(copied); err != nil {
		return err
	}
	defer store.Discard(copied) //nolint:errcheck // the next copy reports it
	if err := c.d.store.CopyTo(ctx, copied); err != nil {
		return err
	}
	if err := c.d.backup.Save(ctx, copied, id, saved != place, now); err != nil || saved == place {
		return err
	}
	return c.d.store.SetFact(ctx, factSaved, place)
}

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
	found, err := store.Adopt(ctx, copied, path, store.Adoption{Now: now, Made: from.Made, Stale: staleAfter, Routes: routes{d}, Announcer: announcer{from, now}})
	if err != nil {
		return nil, fmt.Errorf("state.backup: the copy in %s: %w", d.backup.Place, err)
	}
	d.Log.Warn("the state file is back from its copy, which is an alert: an attacker with write access to the bucket may have written it", "backup", from.URL,
		"age", now.Sub(from.Made).Round(time.Second).String(), "flow_logs", found.FlowLogs, "releases_dropped", found.Released.FlowLogs)
	return nil, nil
}

// announcer writes the alert about an adoption.
type announcer struct {
	from backup.Copy
	now  time.Time
}

// Adopted says that the state file was written from a copy, from which one, and what of it
// was not taken.
func (n announcer) Adopted(found store.Adopted) alert.Alert {
	from, now := n.from, n.now
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
	a := pipeline.NewAlert(inventory.Scope{}, alert.PartState, alert.High, text.String())
	a.Advice = "see that you know why the state file was gone from this machine, and that nobody but Flowkeeper's role wrote that object (its versions; CloudTrail's data events of the bucket). " +
		"Compare `flowkeeper inventory list` and `flowkeeper incidents list` with AWS, and release anew what should be released (docs/troubleshoot.md#state-file-adopted)"
	a.Write()
	return a
}
