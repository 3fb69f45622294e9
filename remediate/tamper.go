package remediate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// Dependents are the protected flow logs of a scope with the same target.
type Dependents struct {
	Scope  inventory.Scope
	Target delivery.Target
	Live   int
}

// tampered tells people of calls that change what flow logs or Flowkeeper
// depend on. It tells nothing of others: an account deletes log groups all day.
// A record's scope need not be a configured one: IAM's are in one Region, and a
// bucket may be another account's.
func (r *Remediator) tampered(ctx context.Context, fs []detection.Finding, beat func()) error {
	now := r.Now()
	fs, alerts, err := r.tamperAlerts(ctx, fs, now)
	for n := 0; err == nil && n < len(fs); n += tampersAtOnce {
		end := min(n+tampersAtOnce, len(fs))
		err = r.Store.Update(ctx, func(tx Tx) error {
			for k, a := range alerts[n:end] {
				var err error
				if a.Recent, err = repeat.RecordCall(tx, fs[n+k], 0, now); err != nil {
					return err
				}
				c := repeat.CallOf(repeat.Tampering, fs[n+k], a, 0, false)
				c.What, c.Example.Target = fs[n+k].Record.EventName+" "+a.Target, a.Target
				if by := fs[n+k].Record.Identity.InvokedBy; by != "" {
					c.Who += " by " + by
				}
				if _, err := repeat.AlertOrHold(tx, a, c, now); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		r.Wake()
		return nil
	}
	for n, a := range alerts { // I1
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(a.Actor)+" "+fs[n].Record.Identity.InvokedBy, now)
		r.Direct(ctx, notify.NotStored(a))
		beat()
	}
	return fmt.Errorf("record what was done to what flow logs depend on: %w", err)
}

// tampersAtOnce bounds what one commit holds: deletions wait for it.
const tampersAtOnce = 50

// tamperAlerts are the alerts about those calls that matter here, and these
// calls. What a thing is to us is asked once for all of a message.
func (r *Remediator) tamperAlerts(ctx context.Context, fs []detection.Finding, now time.Time) (matter []detection.Finding, alerts []alert.Alert, err error) {
	var beside []Dependency
	if r.Dependencies != nil {
		beside = r.Dependencies()
	}
	known := map[string]Threat{}
	err = r.Store.View(ctx, func(tx Tx) error {
		for _, f := range fs {
			if !Tampers(f.Record) {
				continue
			}
			target := TargetOf(f.Record)
			thing := target
			if Unstated(f.Record) {
				thing = fmt.Sprint(placeOf(f.Record))
			}
			t, asked := known[thing]
			if !asked {
				if t, err = ThreatOf(tx, f.Record, beside); err != nil {
					return err
				}
				known[thing] = t
			}
			if len(t.Uses) > 0 {
				matter, alerts = append(matter, f), append(alerts, r.tamperAlert(f, target, t, now))
			}
		}
		return nil
	})
	return matter, alerts, err
}

// Tampers reports whether a call that a rule is about does any harm, as far as
// its record tells.
func Tampers(r cloudtrail.Record) bool {
	harmless := r.EventName == "UntagDeliveryStream" && r.Detail != "" && !strings.Contains(r.Detail, cloudtrail.DeliveryTag)
	return !harmless
}

func (r *Remediator) tamperAlert(f detection.Finding, target string, t Threat, now time.Time) alert.Alert {
	actor := f.Actor()
	a := notify.FindingAlert(f, alert.Tamper, now)
	a.ID = tamperID(f)
	a.Target, a.FlowLogs, a.Omitted = target, slices.Clone(t.FlowLogs), t.all-len(t.FlowLogs)
	a.Cause = fmt.Sprintf("%s of %s%s, %s", f.Record.EventName, delivery.KeyOf(target).Name(), detailOf(f.Record), strings.Join(t.Uses, " and "))
	a.Advice = tamperAdvice(f.Record)
	if target == "" {
		a.Cause, a.Advice = unstatedCause(f.Record, t), unstatedAdvice(f.Record)
	}
	written := f.Record.EventName == "PutBucketPolicy" && f.Record.Identity.InvokedBy == deliveryService
	switch {
	case r.Policy.RuleFor(f.Record.Account, actor.Principal()).Action == Ignore, written:
		a.Level = alert.Informational
	case target == "": // its rule's level: nobody knows whether it is about ours
	case destroys[f.Record.EventName] && len(t.FlowLogs) > 0:
		a.Level, a.RaisedBy = alert.Critical, []string{notify.DestinationGone}
	default:
		a.Level, a.RaisedBy = notify.Raised(a.Level, notify.ActorFacts(r.Policy, f.Record.Account, &actor))
	}
	for n := range a.FlowLogs {
		if x := &a.FlowLogs[n]; x.Account == a.Account && x.Region == a.Region {
			x.Account, x.Region = "", ""
		}
	}
	return a
}

// tamperID is made of the record alone, and of all of it that an alert says or is
// judged by: a forged twin swallows nothing else (I2).
func tamperID(f detection.Finding) string {
	rec, id := f.Record, f.Record.Identity
	mfa := "not told"
	if id.MFA != nil {
		mfa = fmt.Sprint(*id.MFA)
	}
	return alert.ID(string(alert.Tamper), rec.Account, rec.Region, rec.EventSource, rec.EventName, TargetOf(rec), rec.Detail, rec.RequestHash,
		id.Type, id.ARN, id.AccountID, id.AccessKeyID, id.SessionIssuer, id.InvokedBy, mfa, rec.SourceIP, rec.EventID, rec.EventTime.UTC().Format(time.RFC3339),
		id.UserName, id.PrincipalID, id.OnBehalfOf, id.SourceIdentity, id.WebIdentity)
}

// deliveryService writes bucket policies for whoever makes a flow log.
const deliveryService = "delivery.logs.amazonaws.com"

// destroys are the calls that take a destination away whole.
var destroys = map[string]bool{"DeleteLogGroup": true, "DeleteBucket": true, "DeleteDeliveryStream": true}

// mostThreatened is how many flow logs an alert about tampering lists: it says
// how many there are, and the snapshot has them all.
const mostThreatened = 50

// Threat is what a thing is to the flow logs of the snapshot, to those that
// are to come back, and to Flowkeeper itself.
type Threat struct {
	Uses     []string        // "the destination of 3 flow logs"; empty: nothing here depends on it
	FlowLogs []alert.FlowLog // the first of them
	all      int
}

// Threatened says what depends on a target, as TargetOf names it.
func Threatened(tx Tx, target string, beside []Dependency) (t Threat, err error) {
	thing := delivery.KeyOf(target)
	all, err := tx.Dependents(thing)
	if err != nil {
		return t, err
	}
	counts, scopes := map[string]int{}, map[inventory.Scope]bool{}
	for _, d := range all {
		counts[d.Target.Use(thing)] += d.Live
		if err := t.addLive(tx, d); err != nil {
			return t, err
		}
		if scopes[d.Scope] {
			continue
		}
		scopes[d.Scope] = true
		if err := t.addLost(tx, d.Scope, thing, counts); err != nil {
			return t, err
		}
	}
	for _, use := range []string{delivery.DestinationUse, delivery.RoleUse, delivery.CrossRoleUse} {
		if n := counts[use]; n > 0 {
			t.Uses = append(t.Uses, fmt.Sprintf("%s of %s", use, alert.Plural(n, "flow log")))
		}
	}
	for _, d := range beside {
		if d.covers(target) && !slices.Contains(t.Uses, d.As) {
			t.Uses = append(t.Uses, d.As)
		}
	}
	return t, nil
}

func (t *Threat) addLive(tx Tx, d Dependents) error {
	t.all += d.Live
	if len(t.FlowLogs) >= mostThreatened {
		return nil
	}
	rows, err := tx.LiveWith(d.Scope, d.Target, mostThreatened-len(t.FlowLogs))
	for _, row := range rows {
		t.FlowLogs = append(t.FlowLogs, threatened(row.Scope, row.ID, row.RootID, row.Settings))
	}
	return err
}

// addLost adds what is to come back to there, but for what AWS still shows.
func (t *Threat) addLost(tx Tx, s inventory.Scope, thing delivery.ResourceKey, counts map[string]int) error {
	lost, err := tx.AllPending(s, mostNews)
	if err != nil {
		return err
	}
	for _, i := range lost {
		target := delivery.TargetOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen})
		if !slices.Contains(target.Keys(), thing) {
			continue
		}
		row, ok, err := tx.FlowLog(s, i.FlowLogID)
		if err != nil {
			return err
		}
		if ok && row.Rehearsable() {
			continue // among the live ones
		}
		t.all++
		counts[target.Use(thing)]++
		if len(t.FlowLogs) < mostThreatened {
			x := threatened(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
			x.State = string(i.State)
			t.FlowLogs = append(t.FlowLogs, x)
		}
	}
	return nil
}

func threatened(s inventory.Scope, id, root string, settings inventory.Settings) alert.FlowLog {
	f := alert.FlowLog{FlowLogID: id, ResourceID: settings.ResourceID, Destination: settings.Destination(s), LogFormat: settings.LogFormat, Tags: settings.Tags, Account: s.Account, Region: s.Region}
	if root != id {
		f.RootFlowLogID = root
	}
	return f
}

func detailOf(r cloudtrail.Record) string {
	if r.Detail == "" {
		return ""
	}
	return " (" + r.Detail + ")"
}
