package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// accountOutages alerts once of an account whose credentials can't be had, not once for each of
// its Regions; and of many such accounts together. It is safe for concurrent use.
type accountOutages struct {
	d     *Daemon
	began time.Time

	settled bool // an alert for several accounts that a daemon before has left is ended; guarded by mu

	mu       sync.Mutex        // guards what follows, and is held by alerts and ends
	working  map[string]bool   // by account; false: it was logged that it does not work
	failing  map[string]graded // by account: those with an alert of their own
	urgent   map[string]bool   // those of failing that have protected flow logs
	covered  map[string]bool   // by account: those that have none, because together stands for them
	together graded            // of those beyond mostFailing
}

// mostFailing accounts have an alert each. One that says so stands for the others: what they have
// in common is Flowkeeper's own credentials, or a StackSet that is not deployed.
const mostFailing = 10

func newAccountOutages(d *Daemon) *accountOutages {
	return &accountOutages{d: d, began: time.Now(), failing: map[string]graded{}, urgent: map[string]bool{}, covered: map[string]bool{}, working: map[string]bool{},
		together: newGraded(d, inventory.Scope{}, reachingAccount, "the accounts that had no alert of their own can be reached again")}
}

// of is the outage of an account.
func (a *accountOutages) of(account string) graded {
	return newGraded(a.d, inventory.Scope{Account: account}, reachingAccount, "the account can be reached again")
}

// note notes that an account's credentials can't be had. began: they could before, or nothing was
// known.
func (a *accountOutages) note(account string) (began bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	works, known := a.working[account]
	a.working[account] = false
	return works || !known
}

// fail notes that a scope can't be refreshed for the credentials of its account, so often in a row.
// Where they are refused, the account may have departed: a listing that says so ends ctx.
func (a *accountOutages) fail(ctx context.Context, account string, failures int, err error) {
	if a.note(account) {
		a.d.Log.Warn("refresh failed: the account can't be reached in any Region; its last snapshot stands", "account", account, "error", err)
	}
	refused := !scopes.Passes(err)
	if refused && a.d.membership != nil && failures == 1 {
		a.d.membership.awaitFresh(ctx)
	}
	if ctx.Err() == nil && (refused || failures >= 3) {
		a.alert(ctx, account, err)
	}
}

// alert alerts that an account's credentials can't be had, once. Where the management account never
// had the role, it logs that instead.
func (a *accountOutages) alert(ctx context.Context, account string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, alone := a.failing[account]
	if alone || a.covered[account] && a.together.alerted() {
		return
	}
	n, regions, cerr := protectedIn(ctx, a.d.store, account)
	urgent := n > 0 || cerr != nil
	o := a.of(account)
	switch {
	case !urgent && !scopes.Passes(err) && a.d.membership.isManagement(ctx, account):
		a.d.Log.Warn("the management account is not protected: service-managed StackSets do not deploy the role there. Make the role by hand, or put the account into organization.exclude", "account", account)
	case a.many(urgent):
		a.covered[account] = true
		if urgent && a.together.medium.wasAlerted(ctx) { // it woke nobody
			a.together.medium.end(ctx)
		}
		a.together.alertOnce(ctx, urgent, fmt.Sprintf("more than %d accounts can't be reached: `flowkeeper accounts list` names all. One of them is %s: %s", mostFailing, account, err))
		return
	default:
		o.alertOnce(ctx, urgent, fmt.Sprintf("the account %s can't be reached, in no Region. %s. %s", account, unseen(n, regions, cerr), err))
	}
	a.failing[account], a.urgent[account] = o, urgent
}

// many reports whether one alert is to stand for further accounts. Those with protected flow logs
// are counted by themselves: an attacker who makes others fail first hides none of them. The caller
// holds mu.
func (a *accountOutages) many(urgent bool) bool {
	n := 0
	for _, u := range a.urgent {
		if u == urgent {
			n++
		}
	}
	return n >= mostFailing || !urgent && len(a.covered) > 0
}

// works notes that an account's credentials are there.
func (a *accountOutages) works(ctx context.Context, account string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := time.Since(a.began) > uncoverAfter
	if a.working[account] && (a.settled || !old) {
		return
	}
	a.settled = old
	o, is := a.failing[account]
	if !is {
		o = a.of(account) // the daemon before may have alerted
	}
	o.end(ctx)
	delete(a.failing, account)
	delete(a.urgent, account)
	a.uncover(ctx, account)
	a.working[account] = o.high.endStored && o.medium.endStored // else the next one ends it
}

// uncover ends the alert that stands for several accounts with the last of them. One that a daemon
// before has left ends some time after the start. The caller holds mu.
func (a *accountOutages) uncover(ctx context.Context, account string) {
	last := a.covered[account] && len(a.covered) == 1
	delete(a.covered, account)
	if last || len(a.covered) == 0 && a.settled {
		a.together.end(ctx)
	}
}

// uncoverAfter is how long after a start it counts that no account is covered: all have been tried.
const uncoverAfter = 10 * time.Minute

// forget forgets accounts that have departed. Their alerts stay until they are back and work.
func (a *accountOutages) forget(ctx context.Context, accounts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, account := range accounts {
		delete(a.failing, account)
		delete(a.urgent, account)
		delete(a.working, account)
		a.uncover(ctx, account)
	}
}

// unseen says what it means for protected flow logs that an account can't be reached.
func unseen(flowLogs, regions int, err error) string {
	what := "Protected flow logs there"
	switch {
	case err == nil && flowLogs == 0:
		return "What is there is not known yet"
	case err == nil:
		what = alert.Plural(flowLogs, "protected flow log") + " in " + alert.Plural(regions, "Region")
	}
	return what + ": neither refreshed nor restored until it works again"
}
