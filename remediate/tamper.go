package remediate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// Dependents are the protected flow logs of a scope with the same needs.
type Dependents struct {
	Scope inventory.Scope
	Needs Needs
	Live  int
}

// tampered tells people of calls that change what flow logs or Flowkeeper
// depend on. It tells nothing of others: an account deletes log groups all day.
// A record's scope need not be a configured one: IAM's are in one Region, and a
// bucket may be another account's.
func (r *Remediator) tampered(ctx context.Context, fs []detection.Finding) error {
	now := r.Now()
	tell := func(fn func(context.Context, func(Tx) error) error, keep func(Tx, detection.Finding, alert.Alert) error) error {
		return fn(ctx, func(tx Tx) error {
			for _, f := range fs {
				a, matters, err := r.tamperAlert(tx, f, now)
				if err == nil && matters {
					err = keep(tx, f, a)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := tell(r.Store.Update, func(tx Tx, f detection.Finding, a alert.Alert) (err error) {
		if a.Recent, err = r.deed(tx, f, 0, now); err != nil {
			return err
		}
		return add(tx, a)
	})
	if err == nil {
		r.Wake()
		return nil
	}
	var direct []alert.Alert // I1
	verr := tell(r.Store.View, func(_ Tx, _ detection.Finding, a alert.Alert) error {
		a.Write()
		direct = append(direct, a)
		return nil
	})
	for _, a := range direct {
		r.Direct(ctx, a)
	}
	return fmt.Errorf("record what was done to what flow logs depend on: %w", errors.Join(err, verr))
}

// tamperAlert is the alert about one call; false where nothing here depends on
// what it changes.
func (r *Remediator) tamperAlert(tx Tx, f detection.Finding, now time.Time) (alert.Alert, bool, error) {
	target := TargetOf(f.Record)
	if target == "" || f.Record.EventName == "UntagDeliveryStream" && !strings.Contains(f.Record.Detail, deliveryTag) {
		return alert.Alert{}, false, nil
	}
	var beside []Dependency
	if r.Dependencies != nil {
		beside = r.Dependencies()
	}
	t, err := Threatened(tx, target, beside)
	if err != nil || len(t.Uses) == 0 {
		return alert.Alert{}, false, err
	}
	actor := f.Actor()
	a := r.findingAlert(f, alert.Tamper, now, target)
	a.Target, a.FlowLogs, a.Omitted = target, t.FlowLogs, t.live-t.listed
	a.Cause = fmt.Sprintf("%s of %s%s, %s", f.Record.EventName, ThingOf(target).name(), detailOf(f.Record), strings.Join(t.Uses, " and "))
	a.Advice = tamperAdvice(f.Record.EventSource)
	switch {
	case r.Policy.rule(principal(&actor)).Action == Ignore, f.Record.Identity.InvokedBy == deliveryService:
		a.Level = alert.Informational
	case destroys[f.Record.EventName] && len(t.FlowLogs) > 0:
		a.Level, a.RaisedBy = alert.Critical, []string{DestinationGone}
	default:
		a.Level, a.RaisedBy = raised(a.Level, r.personal(&actor))
	}
	a.ID = alert.ID(string(alert.Tamper), a.Account, a.Region, f.Record.EventName, target, principal(&actor), string(a.Level), tamperSpell(f.Record, now))
	for n := range a.FlowLogs {
		if x := &a.FlowLogs[n]; x.Account == a.Account && x.Region == a.Region {
			x.Account, x.Region = "", ""
		}
	}
	return a, true, nil
}

// tamperSpell is the five minutes in which the same call by the same principal
// on the same thing is told once: a script calls it thousands of times.
func tamperSpell(r cloudtrail.Record, now time.Time) string {
	at := r.EventTime
	if at.IsZero() {
		at = now
	}
	return at.UTC().Truncate(5 * time.Minute).Format(time.RFC3339)
}

const (
	// deliveryTag on a delivery stream is what lets AWS deliver logs to it.
	deliveryTag = "LogDeliveryEnabled"
	// deliveryService writes bucket policies for whoever makes a flow log.
	deliveryService = "delivery.logs.amazonaws.com"
)

// destroys are the calls that take a destination away whole.
var destroys = map[string]bool{"DeleteLogGroup": true, "DeleteBucket": true, "DeleteDeliveryStream": true}

// Threat is what a thing is to the flow logs of the snapshot, to those that
// are to come back, and to Flowkeeper itself.
type Threat struct {
	Uses         []string        // "the destination of 3 flow logs"; empty: nothing here depends on it
	FlowLogs     []alert.FlowLog // the first thousand of them
	live, listed int             // protected flow logs that depend on it; those of them in FlowLogs
}

// Threatened says what depends on a target, as TargetOf names it.
func Threatened(tx Tx, target string, beside []Dependency) (t Threat, err error) {
	thing := ThingOf(target)
	all, err := tx.Dependents(thing)
	if err != nil {
		return t, err
	}
	counts, scopes := map[string]int{}, map[inventory.Scope]bool{}
	for _, d := range all {
		counts[d.Needs.use(thing)] += d.Live
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
	for _, use := range []string{destinationUse, roleUse, crossRoleUse} {
		if n := counts[use]; n > 0 {
			t.Uses = append(t.Uses, fmt.Sprintf("%s of %s", use, plural(n, "flow log")))
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
	t.live += d.Live
	rows, err := tx.LiveWith(d.Scope, d.Needs, max(0, mostNews-len(t.FlowLogs)))
	t.listed += len(rows)
	for _, row := range rows {
		t.FlowLogs = append(t.FlowLogs, threatened(row.Scope, row.ID, row.RootID, row.Settings))
	}
	return err
}

// addLost adds what is to come back to there.
func (t *Threat) addLost(tx Tx, s inventory.Scope, thing Thing, counts map[string]int) error {
	lost, err := tx.AllPending(s, mostNews)
	if err != nil {
		return err
	}
	for _, i := range lost {
		needs := NeedsOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen})
		if !slices.Contains(needs.Things(), thing) || len(t.FlowLogs) >= mostNews {
			continue
		}
		x := threatened(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
		x.State = string(i.State)
		t.FlowLogs = append(t.FlowLogs, x)
		counts[needs.use(thing)]++
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

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func detailOf(r cloudtrail.Record) string {
	if r.Detail == "" {
		return ""
	}
	return " (" + r.Detail + ")"
}

// tamperAdvice is where to look, by the service that was called.
func tamperAdvice(source string) string {
	switch source {
	case "logs.amazonaws.com":
		return "see that the log group is there with its retention, key and resource policy; make it again if it is not: delivery may have stopped"
	case "s3.amazonaws.com":
		return "compare the bucket's policy and lifecycle with your own code and put them back: delivery.logs.amazonaws.com must be able to write, and nobody to expire the logs"
	case "iam.amazonaws.com":
		return "put the role's permissions and trust back: without them nothing is delivered, or restored"
	case "firehose.amazonaws.com":
		return "see that the delivery stream is there, with the tag LogDeliveryEnabled: AWS delivers to no other"
	case "kms.amazonaws.com":
		return "enable the key again, or cancel its deletion: what is encrypted with it can't be written or read until then"
	case "cloudtrail.amazonaws.com":
		return "see that the trail logs management events: while none does, only the refresh finds deletions"
	case "events.amazonaws.com":
		return "see that the rule is enabled, has its pattern, and sends to the queue: until then only the refresh finds deletions"
	case "sqs.amazonaws.com":
		return "see that the queue is there, with its policy: what was in it is lost, and the next refresh finds what it told of"
	}
	return ""
}

// findingAlert is an alert about a record alone, with no incident.
func (r *Remediator) findingAlert(f detection.Finding, kind alert.Kind, now time.Time, parts ...string) alert.Alert {
	actor, rec := f.Actor(), f.Record
	s := inventory.Scope{Account: rec.Account, Region: rec.Region}
	a := alert.Alert{
		ID:       alert.ID(append([]string{string(kind), s.String(), rec.EventID, rec.EventName, claimOf(&actor, rec.EventTime)}, parts...)...),
		DedupKey: alert.DedupKey(s.String(), rec.EventID+" "+string(kind)),
		Time:     alert.Time{Time: now}, Kind: kind, Level: f.Rule.Level, Rule: &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title},
		Account: rec.Account, Region: rec.Region, EventID: rec.EventID, Source: ByEvent, Actor: &actor,
	}
	if !rec.EventTime.IsZero() {
		a.EventTime = &alert.Time{Time: rec.EventTime}
	}
	return a
}
