package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// connect has two phases. In the first it asks AWS and the state file, and may fail: then nothing of the daemon has
// changed, and connect may be called again. In the second (build) it makes the parts that need these answers.
func (d *Daemon) connect(ctx context.Context) error {
	remembered, err := d.store.Scopes(ctx)
	if err != nil {
		return err
	}
	var members *membership
	accounts := Accounts(d.Config)
	if d.Config.Organization.RoleName != "" {
		if members, err = newMembership(d); err != nil {
			return err
		}
		if accounts, err = members.start(ctx); err != nil {
			return err
		}
	}
	fleet := scopes.NewFleet(d.base, d.Config.Inventory.Regions, d.Log)
	if err := fleet.Connect(ctx, accounts, remembered...); err != nil {
		return err
	}
	if err := d.sameAccount(ctx, fleet, remembered); err != nil {
		return err
	}
	key, err := d.tokenKey(ctx)
	if err != nil {
		return err
	}
	d.build(fleet, members, Policy(d.Config, key))
	d.connected.Store(true)
	return nil
}

// build is the second phase of connect: it makes what needs the accounts and their Regions.
func (d *Daemon) build(fleet *scopes.Fleet, members *membership, policy incident.Policy) {
	d.fleet, d.membership = fleet, members
	d.refreshes, d.nameTags, d.discovery = newRefreshes(d), newNameTags(d), newDiscovery(d)
	d.depends = &dependencies{facts: d.store, log: d.Log, queue: d.queue.URL, client: d.sqs}
	d.depends.follow(d.Config, fleet.Scopes())
	d.remediator = &remediate.Remediator{
		Store: d.store.Remediation(), News: d.store.News(), Snapshot: observedSnapshot{d.store, d}, Fleet: fleet, Policy: policy,
		Refreshes: d.refreshes, Senders: alertSenders{d}, Meter: d.meters, Now: time.Now, Log: d.Log,
		Tampering: &tamper.Handler{
			Store: d.store.Tampering(), Policy: policy, Dependencies: d.depends, Refreshes: d.refreshes,
			Now: time.Now, Senders: alertSenders{d},
		},
	}
	d.rehearser = &rehearse.Rehearser{
		Store: d.store.Rehearsals(), Pipelines: d.store.Pipelines(), Restores: d.remediator, AlertOnly: policy.AlertOnly, Others: d.Config.Rehearsal.Principals,
		Fleet: rehearsalFleet{fleet}, Now: time.Now, Log: d.Log, Senders: alertSenders{d},
	}
	d.remediator.Rehearsals = d.rehearser
}

// tokenKey returns the key of ClientTokens. A key in the configuration counts, and is copied into
// the state file, so that commands that can't read the secret make the same calls. Without one,
// the state file's own key counts.
func (d *Daemon) tokenKey(ctx context.Context) (incident.TokenKey, error) {
	if secret := d.Config.Remediate.TokenKey; secret != "" {
		key := incident.SharedTokenKey(secret)
		return key, d.store.SetTokenKey(ctx, key)
	}
	return d.store.TokenKey(ctx)
}

// sameAccount returns an error if the configuration names no accounts and the state file
// has flow logs, but none of the account of these credentials. With such credentials the
// daemon would ignore every message and report that all is well (I13). known has the scopes
// of the state file, also of an account whose flow logs are all gone.
func (d *Daemon) sameAccount(ctx context.Context, fleet *scopes.Fleet, known []inventory.Scope) error {
	if len(d.Config.Accounts) > 0 || d.Config.Organization.RoleName != "" {
		return nil
	}
	accounts, err := d.store.AccountsWithProtected(ctx)
	if err != nil {
		return err
	}
	own := fleet.Accounts()[0] // that of the credentials
	if len(accounts) == 0 || slices.ContainsFunc(known, func(s inventory.Scope) bool { return s.Account == own }) {
		return nil
	}
	return fmt.Errorf("these credentials act in account %s, and the state file has protected flow logs of %s: see whose they are, or name under accounts what is to be protected", own, strings.Join(accounts, ", "))
}

// mayConnectLater returns nil if the daemon should go on and try again: the error may pass,
// or the queue has answered an earlier daemon, and an attacker may have removed the access since.
func (d *Daemon) mayConnectLater(ctx context.Context, err error) error {
	received, ferr := d.store.Fact(ctx, factReceived)
	if ferr != nil {
		return ferr
	}
	_, fixable := errors.AsType[*organization.CallError](err)
	_, asked := errors.AsType[*smithy.OperationError](err)
	_, wrong := errors.AsType[*scopes.WrongAccountError](err)
	switch {
	case received != "" || scopes.Passes(err) || errors.Is(err, organization.ErrIncomplete):
	case fixable || !asked && !wrong:
		return err
	default:
		return fmt.Errorf("%w: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or an instance role, and see that sts:GetCallerIdentity answers", err)
	}
	text := "can't reach AWS yet; trying again"
	if answered(err) {
		text = "the accounts to protect are not known, and nothing is protected; listing them again"
	}
	d.Log.Warn(text, "error", err)
	return nil
}

// answered reports whether AWS Organizations answered, but gave no usable list of accounts to protect.
func answered(err error) bool {
	return errors.Is(err, errNoAccount) || errors.Is(err, organization.ErrIncomplete)
}

var connectPauses = retry.Backoff{First: time.Second, Most: 30 * time.Second}

// connectRetrying connects, however long it takes. It returns false if ctx ends first.
func (d *Daemon) connectRetrying(ctx context.Context) bool {
	o := d.newOutage(alert.PartAWS, "AWS can be reached again")
	for !d.connected.Load() {
		if !retry.Sleep(ctx, connectPauses.Pause(o.Failures())) {
			return false
		}
		err := d.connect(ctx)
		text := "AWS can't be reached, so that no deletion is received or restored: "
		if answered(err) {
			text = "no deletion is received or restored: "
		}
		if o.Note(err); o.Failures() >= 4 {
			o.Alert(ctx, text+err.Error())
		}
	}
	if ctx.Err() != nil {
		return false
	}
	o.End(ctx)
	return true
}
