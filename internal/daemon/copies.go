package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/internal/backup"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// factSaved is where this state file was last copied to.
const factSaved = "saved"

const (
	staleAfter  = 48 * time.Hour  // of a copy: what the first refresh then does not find is alerted of and not restored
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
	c := &copier{d: d, outage: d.newOutage(inventory.Scope{}, notify.Copying, "the state file can be copied to state.backup again")} // all changes since the file was opened are to be copied
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
	version  int64 // of the file then, which other processes change too
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
