package replay

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

// View reads the state file: fn gets a transaction that changes nothing.
type View[Tx any] interface {
	View(ctx context.Context, fn func(Tx) error) error
}

// Planner forecasts from the state file and the configuration what the daemon decides. The zero
// value forecasts nothing.
type Planner struct {
	Cases        View[remediate.Tx] // nil: what would be restored is not said
	Tampering    View[tamper.Tx]    // nil: what tampering threatens is not said
	Policy       incident.Policy
	Dependencies []tamper.Dependency // what the daemon needs, as far as the configuration states it
	Watched      Watched             // nil: all accounts and Regions are configured
	Names        map[string]string   // of accounts, as far as they are known
}

// Watched are the accounts and Regions that are configured. The daemon does nothing about records of others.
type Watched interface {
	// Has reports whether an account and Region are configured.
	Has(inventory.Scope) bool
}

// nameOf is the name of an account; empty: it is not known.
func (p Planner) nameOf(account string) string { return alert.Clean(p.Names[account], alert.MaxName) }

// impact adds to v the target of a call of tampering, and what depends on that target here.
func (p Planner) impact(ctx context.Context, v *Finding, r cloudtrail.Record) error {
	v.Target, v.How = tamper.TargetOf(r), r.Detail
	if r.OmittedSize != "" {
		v.Hidden = "CloudTrail left out " + r.OmittedSize + " bytes of parameters"
	}
	if p.Tampering == nil || !tamper.Harmful(r) {
		return nil
	}
	return p.Tampering.View(ctx, func(tx tamper.Tx) error {
		i, err := tamper.ImpactOf(tx, r, p.Dependencies)
		v.Threatens, v.FlowLogs, v.Omitted = i.Uses, nil, i.Omitted
		for _, x := range i.FlowLogs {
			v.FlowLogs = append(v.FlowLogs, Planned{FlowLogID: x.FlowLogID, ResourceID: x.ResourceID, Destination: x.Destination})
		}
		return err
	})
}

// plan says what would be done about the flow logs that a record says were deleted. Like the daemon, it loads
// them together.
func (p Planner) plan(ctx context.Context, f detection.Finding) (all []Planned, err error) {
	scope := inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
	unwatched := p.Watched != nil && !p.Watched.Has(scope)
	if p.Cases == nil || unwatched {
		for _, id := range f.Deleted {
			out := Planned{FlowLogID: id}
			if p.Cases != nil {
				out.Would, out.Why = NotConfigured, "its account or Region is not configured: nothing is done about its records"
			}
			all = append(all, out)
		}
		return all, nil
	}
	err = p.Cases.View(ctx, func(tx remediate.Tx) error {
		c, err := tx.Case(scope, incident.Selection{IDs: f.Deleted}, time.Now())
		if err != nil {
			return err
		}
		c.Policy = p.Policy
		rec := remediate.RecordOf(f, p.Policy)
		all = nil
		for _, id := range f.Deleted {
			all = append(all, planOne(c, id, rec))
		}
		return nil
	})
	return all, err
}

// planOne says what would be done about one flow log of a case.
func planOne(c *incident.Case, id string, rec incident.Record) Planned {
	i, _ := c.Incident(id)
	out := Planned{FlowLogID: id, Incident: i.State}
	row, known := c.Row(id)
	if known {
		out.ResourceID, out.Destination = row.ResourceID, row.Destination(c.Scope)
	}
	out.Would, out.Why = inWords(c.Forecast(id, rec), rec.Rule, c.Scope)
	if out.Would == Restore || out.Would == Wait {
		out.FlowLog = &row.Settings
	}
	return out
}

// Values of Planned.Would. The others are the reasons to close an incident: see package incident.
const (
	Restore       = "restore"
	Wait          = "wait"
	Restored      = "restored" // the incident of this loss has a replacement
	NotConfigured = "not_configured"
)

// inWords says in words what a forecast decides, and why. rule is the policy's rule for the principal that deleted
// the flow log. The causes that are not here can't occur: they are of drift, or of what AWS shows.
func inWords(d incident.Decision, rule incident.Rule, in inventory.Scope) (would, why string) {
	switch d.Cause {
	case incident.NotSeen:
		return string(incident.Unknown), "the snapshot never saw it in " + in.String() + ": there is nothing to recreate it from"
	case incident.ImportedOnly:
		return string(incident.Unknown), "imported and not seen in AWS yet: only `flowkeeper restore` acts on it"
	case incident.WasReleased:
		return string(d.Reason), "released at the time of the deletion"
	case incident.NotApproved:
		return string(d.Reason), "its destination is held: `flowkeeper inventory approve` ends that"
	case incident.NotProtected:
		return string(d.Reason), "it is not protected: a decoy, or outside inventory.destinations"
	case incident.RuleIgnores:
		return string(d.Reason), "rule: " + rule.Principal + " may delete flow logs"
	case incident.ModeAlerts:
		return string(d.Reason), "remediate.mode is alert"
	case incident.RuleAlerts:
		return string(d.Reason), "rule: deletions by " + rule.Principal + " only alert"
	case incident.AwaitsCaller:
		return Wait, fmt.Sprintf("rule: %s has %s to replace it, then it is restored", rule.Principal, configs.Tidy(rule.Wait))
	case incident.HeldBack:
		return Wait, "it was restored often within the hour: the next time at " + d.At.UTC().Format(time.RFC3339)
	}
	if d.Next == incident.Adopt {
		return Restored, "as " + d.Found.ID
	}
	return Restore, "at once, unless AWS shows it alive or an equivalent one in its place"
}
