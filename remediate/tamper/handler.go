package tamper

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// Handler alerts of tampering. It is safe for concurrent use.
type Handler struct {
	Store        Store
	Policy       incident.Policy
	Dependencies Dependencies
	Now          func() time.Time
	Refreshes    Refreshes
	Senders      Senders
}

// Dependencies are what Flowkeeper itself needs. Many goroutines ask at the same time.
type Dependencies interface {
	// All returns the dependencies that are known now. Nobody may change the slice.
	All() []Dependency
}

// Refreshes bring the snapshot up to date with AWS. Many goroutines ask for them at the same time.
type Refreshes interface {
	// Often makes refreshes of an account's scopes frequent for a while. It is called for each finding whose alert is
	// more than informational, with the account and Region of its record, which need not be configured. It never blocks.
	Often(in inventory.Scope)
}

// Senders send alerts. They are called by many goroutines at the same time.
type Senders interface {
	// Wake is called after commits that may have put alerts into the outbox.
	Wake()
	// Bypass sends an alert without the outbox, if the store fails (I1). It returns once each sink has been tried.
	Bypass(ctx context.Context, a alert.Alert)
}

// callsAtOnce is how many calls one commit has at most: deletions wait while it runs.
const callsAtOnce = 50

// Alert adds alerts of calls that change what flow logs or Flowkeeper depend on. Other calls get
// none: many accounts delete log groups all day. The scope of a record may be one that is not
// configured: IAM's records are in one Region, and a bucket may be another account's.
//
// It returns nil once the alerts are on disk. Otherwise it has sent them without the outbox
// (I1), with a keepAlive after each: sinks may be slow.
func (h *Handler) Alert(ctx context.Context, findings []detection.Finding, keepAlive func()) error {
	now := h.Now()
	all, err := h.alertsOf(ctx, findings, now)
	for _, x := range all {
		if x.alert.Level != alert.Informational {
			h.Refreshes.Often(inventory.Scope{Account: x.Record.Account, Region: x.Record.Region})
		}
	}
	for part := range slices.Chunk(all, callsAtOnce) {
		if err == nil {
			err = h.Store.Update(ctx, func(tx Tx) error { return save(tx, part, now) })
		}
	}
	if err == nil {
		h.Senders.Wake()
		return nil
	}
	for _, x := range all {
		x.alert.ID = repeat.BypassID(x.alert, incident.PrincipalOrName(x.alert.Actor)+" "+x.Record.Identity.InvokedBy, now)
		h.Senders.Bypass(ctx, notify.NotStored(x.alert))
		keepAlive()
	}
	return fmt.Errorf("record what was done to what flow logs depend on: %w", err)
}

// tampering is a finding on whose resource something depends, with its alert.
type tampering struct {
	detection.Finding
	alert alert.Alert
}

// alertsOf finds the findings on whose resource something depends, and makes their alerts. If the
// state file can't be read, it returns those so far with the error. It looks up the impact on one
// resource once for all findings of a message.
func (h *Handler) alertsOf(ctx context.Context, findings []detection.Finding, now time.Time) (all []tampering, err error) {
	ours, impacts := h.Dependencies.All(), map[string]Impact{}
	err = h.Store.View(ctx, func(tx Tx) error {
		for _, f := range findings {
			if !Harmful(f.Record) {
				continue
			}
			on := cmp.Or(TargetOf(f.Record), placeOf(f.Record).prefix())
			i, there := impacts[on]
			if !there {
				if i, err = ImpactOf(tx, f.Record, ours); err != nil {
					return err
				}
				impacts[on] = i
			}
			if len(i.Uses) > 0 {
				all = append(all, tampering{f, alertOf(f, i, h.Policy, now)})
			}
		}
		return nil
	})
	return all, err
}

// save adds the alerts of calls to the outbox, or holds them to be summed up, and notes who made the calls.
func save(tx Tx, all []tampering, now time.Time) error {
	for _, x := range all {
		recent, err := repeat.RecordCall(tx, x.Finding, 0, now)
		if err != nil {
			return err
		}
		a := x.alert
		a.Recent = recent
		c := repeat.CallOf(repeat.Tampering, x.Finding, a, 0, false)
		c.What, c.Example.Target = x.Record.EventName+" "+a.Target, a.Target
		if by := x.Record.Identity.InvokedBy; by != "" {
			c.Who += " by " + by
		}
		if _, err := repeat.AlertOrHold(tx, a, c, now); err != nil {
			return err
		}
	}
	return nil
}
