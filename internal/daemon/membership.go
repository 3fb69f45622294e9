package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
)

// membership keeps the accounts of the fleet equal to those of the organisation, which accounts
// join and leave while the daemon runs.
type membership struct {
	d        *Daemon
	schedule cron.Schedule
	api      organization.API
	rounds

	listing *pipeline.Outage
	noPaths outage.Outage
	logged  map[string]bool // IDs in the configuration that are no accounts of the organisation, and were logged
	listed  bool            // the last listing was complete, with the OUs: if start made it, run need not list at once
	departures
}

// listAgain are the pauses after a listing that failed.
var listAgain = retry.Backoff{First: time.Minute, Most: 10 * time.Minute}

func newMembership(d *Daemon) (*membership, error) {
	o := d.Config.Organization
	schedule, err := cron.ParseStandard(o.Schedule)
	if err != nil {
		return nil, fmt.Errorf("organization.schedule: %w", err)
	}
	return &membership{
		d: d, schedule: schedule, api: organization.Client(d.base, o), rounds: newRounds(), logged: map[string]bool{},
		listing:    d.newOutage(alert.PartOrganization, "the accounts of the organisation can be listed again"),
		departures: departures{d: d, outages: map[string]pipeline.Graded{}},
	}, nil
}

// list lists the accounts by organization.List, or another function like it, and stores the list. A listing
// that is not complete changes nothing.
func (m *membership) list(ctx context.Context, by func(ctx context.Context, api organization.API, include, exclude []string) (organization.Listing, error)) error {
	o := m.d.Config.Organization
	l, err := by(ctx, m.api, o.Include, o.Exclude)
	if err != nil {
		return err
	}
	asked := !errors.Is(l.NoPaths, organization.ErrNotAsked)
	if asked && m.noPaths.Note(l.NoPaths) == outage.Began {
		m.d.Log.Warn("the organisational units can't be listed, so that accounts are shown without theirs", "error", l.NoPaths)
	}
	var strangers []string
	for _, s := range l.Strangers {
		if !m.logged[s] {
			m.logged[s] = true
			strangers = append(strangers, s)
		}
	}
	if len(strangers) > 0 {
		m.d.Log.Warn("accounts of the configuration are not in the organisation: correct them, or name them under accounts", "keys", strings.Join(strangers, ", "))
	}
	_, err = m.d.store.SetAccounts(ctx, l)
	m.listed = asked && err == nil
	return err
}

// start returns the accounts to protect. It uses the stored list, and waits for Organizations only if there
// is none, or if the list has no account to protect: the configuration may select others by now. It does not
// wait for OUs that are only shown: run asks for them at once. If the state file comes from a copy, anybody may
// have written its list: that list counts only if Organizations does not answer soon. Such a list can end no
// account's protection, and the credentials of an account that it adds are used for no other account (I13).
func (m *membership) start(ctx context.Context) ([]scopes.Account, error) {
	accounts, listed, err := StoredAccounts(ctx, m.d.Config, m.d.base, m.d.store)
	mustList := err == nil && !listed || errors.Is(err, errNoAccount)
	if !mustList {
		return accounts, err
	}
	copied := len(accounts) > len(m.d.Config.Accounts) // from the list of an adopted copy, which has no time
	listing := ctx
	if copied {
		var cancel context.CancelFunc
		listing, cancel = context.WithTimeout(ctx, copyPatience)
		defer cancel()
	}
	if err := m.list(listing, organization.ListQuickly); err != nil {
		if copied && ctx.Err() == nil {
			m.d.Log.Warn("the accounts of the organisation can't be listed: beginning with those of the copy that the state file was written from", "accounts", len(accounts), "error", err)
			return accounts, nil
		}
		return nil, err
	}
	accounts, _, err = StoredAccounts(ctx, m.d.Config, m.d.base, m.d.store)
	return accounts, err
}

// copyPatience is how long a start waits for Organizations if a copy of the state file has a list.
const copyPatience = 20 * time.Second

// run lists the accounts until ctx ends: at once, unless start has listed them with their OUs; on
// organization.schedule; and whenever a round is asked for.
func (m *membership) run(ctx context.Context) error {
	// A daemon that died before it alerted of a departure, or one whose state file is an adopted
	// copy, has not alerted of what the stored list says.
	if err := recovered("taking over the list of accounts", func() error { return m.follow(ctx) }); err != nil && ctx.Err() == nil {
		m.d.Log.Warn("the stored list of accounts can't be followed yet", "error", err)
	}
	pause := time.Duration(0)
	if m.listed {
		pause = time.Until(m.schedule.Next(time.Now()))
	}
	for m.await(ctx, pause) {
		began := time.Now()
		done := m.d.progress.Task("organization", maxListing)
		err := recovered("listing the organisation", func() error { return m.list(ctx, organization.List) })
		if err == nil {
			err = recovered("taking over the list of accounts", func() error { return m.follow(ctx) })
		}
		done()
		m.done(began)
		if ctx.Err() != nil {
			return nil
		}
		m.report(ctx, err)
		pause = time.Until(m.schedule.Next(time.Now()))
		if err != nil {
			pause = min(pause, listAgain.Pause(m.listing.Failures()-1))
		}
	}
	return nil
}

// maxListing is how long a round may take: a listing has five minutes, and then the Regions of
// accounts that joined are asked for.
const maxListing = 8 * time.Minute

// report logs once that the accounts can't be listed, and alerts if that does not pass.
func (m *membership) report(ctx context.Context, err error) {
	if err == nil {
		m.listing.End(ctx)
		return
	}
	if m.listing.Note(err) == outage.Began {
		m.d.Log.Warn("the accounts of the organisation can't be listed: the last list stays, and accounts that have joined since are not protected", "error", err)
	}
	_, fixable := errors.AsType[*organization.CallError](err)
	if n := m.listing.Failures(); n >= 3 && fixable || n >= 6 {
		m.listing.Alert(ctx, "the accounts of the organisation can't be listed, so that those that have joined since are not protected: "+err.Error())
	}
}

// follow changes the fleet to the accounts of the stored list. Departed accounts leave it first, and
// the alerts about them are on disk before AWS is asked for anything else.
func (m *membership) follow(ctx context.Context) error {
	d := m.d
	wanted, _, err := StoredAccounts(ctx, d.Config, d.base, d.store)
	if err != nil && !errors.Is(err, errNoAccount) {
		return err
	}
	members, _, err := d.store.Accounts(ctx)
	if err != nil {
		return err
	}
	there := d.fleet.Accounts()
	var left []string
	for _, id := range there {
		if !slices.ContainsFunc(wanted, func(a scopes.Account) bool { return a.ID == id }) {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		removed := d.fleet.Leave(left...)
		d.scopeLoops.stop(removed)
		d.refreshes.accounts.forget(left)
		d.refreshes.regions.Forget(left)
		d.discovery.outages.Forget(left)
		d.Log.Warn("accounts have departed: their flow logs are neither watched nor restored, and what is known of them stays", "accounts", len(left), "which", named(members, left))
	}
	m.alertAll(ctx, members)
	joined := slices.DeleteFunc(wanted, func(a scopes.Account) bool { return slices.Contains(there, a.ID) })
	if len(joined) > 0 {
		err = m.join(ctx, joined, members)
	}
	d.depends.follow(d.Config, d.fleet.Scopes())
	return err
}

// join protects accounts that are new in the organisation, or have come back.
func (m *membership) join(ctx context.Context, joined []scopes.Account, members []organization.Member) error {
	d := m.d
	remembered, err := d.store.Scopes(ctx)
	if err != nil {
		return err
	}
	added, err := d.fleet.Join(ctx, joined, remembered...)
	for _, s := range added {
		d.scopeLoops.start(s)
	}
	var ids []string
	for _, a := range joined {
		ids = append(ids, a.ID)
	}
	d.Log.Info("accounts have joined, and are protected from now on", "accounts", len(ids), "scopes", len(added), "which", named(members, ids))
	d.discovery.soon()
	return err
}

// named is accountNames of the accounts with these IDs.
func named(members []organization.Member, ids []string) string {
	return accountNames(slices.DeleteFunc(slices.Clone(members), func(m organization.Member) bool { return !slices.Contains(ids, m.ID) }))
}

// protectedIn counts the protected flow logs of accounts, and their Regions.
func (d *Daemon) protectedIn(ctx context.Context, accounts ...string) (flowLogs, regions int, err error) {
	c, err := d.store.Counts(ctx)
	flowLogs, regions = c.ProtectedIn(accounts...)
	return flowLogs, regions, err
}

// protectedWords begins a sentence about what protectedIn counted, or could not count.
func protectedWords(flowLogs, regions int, err error) string {
	if err != nil {
		return "Protected flow logs there"
	}
	return alert.Plural(flowLogs, "protected flow log") + " in " + alert.Plural(regions, "Region")
}

// isManagement reports whether an account is the organisation's management account. m may be nil.
func (m *membership) isManagement(ctx context.Context, account string) bool {
	if m == nil {
		return false
	}
	members, _, err := m.d.store.Accounts(ctx)
	return err == nil && slices.ContainsFunc(members, func(m organization.Member) bool { return m.ID == account && m.Management })
}
