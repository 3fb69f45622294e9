package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

const (
	account = "222233334444"
	region  = "eu-west-1"
)

// box is an outbox in memory. It is safe for concurrent use.
type box struct {
	mu       sync.Mutex
	full     bool // Add fails
	added    []alert.Alert
	bypassed []alert.Alert
	standing map[string]bool // outages that were alerted, and whose end was not
}

func newBox() *box { return &box{standing: map[string]bool{}} }

func key(s inventory.Scope, p alert.Part) string { return s.String() + " " + string(p) }

func (b *box) OwesEnd(_ context.Context, s inventory.Scope, p alert.Part) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing[key(s, p)], nil
}

func (b *box) Add(_ context.Context, a alert.Alert, note *notify.OutageNote) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return errors.New("the disk is full")
	}
	if note != nil {
		b.standing[key(note.Scope, note.Part)] = note.Alerted
	}
	b.added = append(b.added, a)
	return nil
}

func (b *box) Bypass(_ context.Context, a alert.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bypassed = append(b.bypassed, a)
}

// causes returns the causes of the alerts that were added, in order.
func (b *box) causes() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.added {
		out = append(out, a.Cause)
	}
	return out
}

// fleet is a Fleet. It says which accounts have protected flow logs.
type fleet map[string]bool

func (f fleet) HasProtected(_ context.Context, account, _ string) (bool, error) {
	return f[account], nil
}
func (fleet) AccountName(_ context.Context, account string) string { return "the account " + account }
func (fleet) AllRefreshed() time.Time                              { return time.Now().Add(10 * time.Minute) }

// texts are short texts of alerts, which a test can compare.
type texts struct{}

func (texts) One(_ context.Context, f Failing) string {
	return fmt.Sprintf("%d Regions of %s: %s", len(f.Regions), f.Name, f.Err)
}

func (texts) Many(f Failing) string { return fmt.Sprintf("many places, such as %s: %s", f.Name, f.Err) }
