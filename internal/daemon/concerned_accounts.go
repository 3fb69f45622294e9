package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// concernedAccounts are the accounts whose log files matter: those of the fleet, those that own a
// bucket of log files, and those of what the daemon or protected flow logs depend on: the queue, its
// rules and keys, roles, destinations. Only the ARN of a bucket names no account. The Region does not
// matter: IAM's records are in the files of us-east-1 (in other partitions, of another Region), flow
// logs may depend on what is in another Region, and calls on a bucket are recorded in its own, which
// its ARN does not name. It is safe for concurrent use.
type concernedAccounts struct {
	d *Daemon

	reading sync.Mutex // held while they are read. Nobody waits for it: the last known ones count meanwhile

	mu    sync.Mutex      // guards what follows; nothing is waited for while it is held
	known map[string]bool // beyond the fleet; nil: not read yet
	due   time.Time       // when to read them again
}

const concernedFor = time.Minute

// has reports whether an account's log files matter. If that can't be found out, they do.
func (c *concernedAccounts) has(ctx context.Context, account string, now time.Time) bool {
	if slices.Contains(c.d.fleet.Accounts(), account) {
		return true
	}
	c.mu.Lock()
	known, due := c.known, c.due
	c.mu.Unlock()
	if known != nil && now.Before(due) || !c.reading.TryLock() {
		return known == nil || known[account]
	}
	defer c.reading.Unlock()
	found, err := c.read(ctx)
	if err != nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.due = found, now.Add(concernedFor)
	return found[account]
}

func (c *concernedAccounts) read(ctx context.Context) (map[string]bool, error) {
	recipients, err := c.d.store.RecipientAccounts(ctx)
	found := map[string]bool{}
	for _, account := range recipients {
		found[account] = true
	}
	for _, b := range c.d.Config.LogFiles.Buckets {
		found[b.Owner] = true // calls that change the bucket itself
	}
	for _, depends := range c.d.depends.all() {
		if p := strings.SplitN(depends.ARN, ":", 6); len(p) == 6 { // a pattern need not be an ARN
			found[p[4]] = true
		}
	}
	return found, err
}
