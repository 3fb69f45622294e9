package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// accountOutages alerts of accounts for which there are no credentials: once for each account, not once
// for each of its Regions. It is safe for concurrent use.
type accountOutages struct {
	*pipeline.Places
	d     *Daemon
	lines *failureLines

	mu       sync.Mutex      // guards what follows
	expected map[string]bool // by account that fails; true: it is the management account, which never had the role
}

func newAccountOutages(d *Daemon) *accountOutages {
	lines := &failureLines{log: d.Log, one: "refresh failed: the account can't be reached in any Region; its last snapshot stands",
		many: "refresh failed: several accounts can't be reached in any Region; their last snapshots stand. This is the error of one; `flowkeeper accounts list --failing` lists all"}
	return &accountOutages{d: d, lines: lines, expected: map[string]bool{}, Places: places{d}.alerts(pipeline.Kind{
		Part: alert.PartAccount, Whole: true, Texts: accountTexts{d},
		Recovery:  "the account can be reached again",
		Recovered: "the accounts that had no alert of their own can be reached again",
	})}
}

// accountTexts are the texts of alerts about accounts that can't be reached. It implements pipeline.Texts.
type accountTexts struct{ d *Daemon }

func (t accountTexts) One(ctx context.Context, f pipeline.Failing) string {
	n, regions, err := t.d.protectedIn(ctx, f.Account)
	return fmt.Sprintf("the account %s can't be reached in any Region. %s. Why: %s", f.Name, unseen(n, regions, err), scopes.Said(f.Err))
}

func (accountTexts) Many(f pipeline.Failing) string {
	return fmt.Sprintf("more than %d accounts can't be reached: `flowkeeper accounts list` lists all. One of them is %s: %s", pipeline.MostSingle, f.Name, scopes.Said(f.Err))
}

// fail notes that a scope can't be refreshed because of the credentials of its account; failures is how often in
// a row. If AWS refuses them, the account may have departed: then a new listing of the organisation ends ctx.
func (a *accountOutages) fail(ctx context.Context, account string, failures int, err error) {
	refused := !scopes.Passes(err)
	if refused && a.d.membership != nil && failures == 1 {
		a.d.membership.awaitFresh(ctx)
	}
	if ctx.Err() != nil || !refused && failures < 3 {
		return
	}
	whole := inventory.Scope{Account: account}
	a.mu.Lock()
	expected, noted := a.expected[account]
	a.mu.Unlock()
	if !noted {
		expected = refused && a.d.membership.isManagement(ctx, account) && !a.Urgent(ctx, whole)
		a.note(account, expected, err)
	}
	if !expected {
		a.Fail(whole, "", err)
	}
}

// note logs that an account begins to fail, and notes whether that is expected.
func (a *accountOutages) note(account string, expected bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, noted := a.expected[account]; noted {
		return
	}
	a.expected[account] = expected
	a.lines.began(inventory.Scope{Account: account}, err)
	if expected {
		a.d.Log.Warn("the management account is not protected: service-managed StackSets do not deploy the role there. Make the role by hand, or put the account into organization.exclude", "account", account)
	}
}

// fails reports whether there are no credentials for an account.
func (a *accountOutages) fails(account string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, fails := a.expected[account]
	return fails
}

// works notes that there are credentials for an account.
func (a *accountOutages) works(account string) {
	a.mu.Lock()
	delete(a.expected, account)
	a.mu.Unlock()
	a.Works(inventory.Scope{Account: account})
}

// forget forgets accounts that have departed.
func (a *accountOutages) forget(accounts []string) {
	a.mu.Lock()
	for _, account := range accounts {
		delete(a.expected, account)
	}
	a.mu.Unlock()
	a.Forget(accounts)
}

// unseen says what it means for protected flow logs that an account can't be reached.
func unseen(flowLogs, regions int, err error) string {
	if err == nil && flowLogs == 0 {
		return "What is there is not known yet"
	}
	return protectedWords(flowLogs, regions, err) + ": neither refreshed nor restored until it works again"
}

// newRegionOutages alerts of Regions that can't be refreshed: once for all Regions of an account that
// have one cause. Otherwise a service control policy that denies Regions would cause hundreds of alerts,
// and a permission that is taken away one for each Region.
func newRegionOutages(d *Daemon) *pipeline.Places {
	return places{d}.alerts(pipeline.Kind{
		Part: alert.PartRefresh, Texts: regionTexts{},
		Recovery:  refreshedAgain,
		Recovered: "the Regions of accounts that had no alert of their own can be refreshed again",
	})
}

// regionTexts are the texts of alerts about Regions that can't be refreshed. It implements pipeline.Texts.
type regionTexts struct{}

func (regionTexts) One(_ context.Context, f pipeline.Failing) string {
	text := "the inventory can't be refreshed"
	if len(f.Regions) > 1 {
		text += " in " + alert.Plural(len(f.Regions), "Region") + " (" + strings.Join(f.Regions, ", ") + ")"
	}
	if !f.Urgent {
		text += "; no protected flow logs are there"
	}
	return text + ": " + scopes.Said(f.Err)
}

func (regionTexts) Many(f pipeline.Failing) string {
	return fmt.Sprintf("the inventory can't be refreshed in Regions of many accounts: `flowkeeper doctor` lists all. One is %s of %s: %s", f.Regions[0], f.Name, scopes.Said(f.Err))
}

// newRegionLines logs the Regions that newRegionOutages alerts of.
func newRegionLines(d *Daemon) *failureLines {
	return &failureLines{log: d.Log, one: "refresh failed; the last snapshot stands. Further Regions of the account that fail alike are not logged",
		many: "refresh failed in several accounts; the last snapshots stand. Further Regions of an account that fail alike are not logged. This is the error of one; `flowkeeper doctor` lists all"}
}
