package replay

import (
	"context"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

const atOnce = "at once, unless AWS shows it alive or an equivalent one in its place"

// TestPlanFollowsTheOrderOfDeciding: replay forecasts what the daemon would do. If several reasons apply, it names the
// one that the daemon would give, and why.
func TestPlanFollowsTheOrderOfDeciding(t *testing.T) {
	t.Parallel()
	const ops = "arn:aws:iam::111122223333:role/ops"
	rule := func(x incident.Action) []incident.Rule {
		return []incident.Rule{{Principal: "arn:aws:iam::111122223333:role/o*", Action: x, Wait: time.Hour}}
	}
	released := func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(-time.Hour), noon.Add(time.Hour) }
	restoredBefore := []incident.Incident{{FlowLogID: "fl-0", RootID: "fl-1", State: incident.Restored, NewID: "fl-1", RestoredAt: noon.Add(-time.Minute)}}
	for _, c := range []struct {
		name     string
		change   func(*inventory.Row)
		policy   incident.Policy
		restored []incident.Incident // restores of the same lineage within the hour
		untimed  bool                // the record has no time
		want     string
		why      string
	}{
		{name: "nothing speaks against it", want: "restore", why: atOnce},
		{name: "released", change: released, want: "released", why: "released at the time of the deletion"},
		{name: "released too late", change: func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(time.Second), noon.Add(time.Hour) }, want: "restore", why: atOnce},
		{name: "not protected", change: func(r *inventory.Row) { r.Protected = false }, want: "exempt", why: "it is not protected: a decoy, or outside inventory.destinations"},
		{name: "held", change: func(r *inventory.Row) { r.Protected, r.Held = false, true }, want: "held", why: "its destination is held: `flowkeeper inventory approve` ends that"},
		{name: "imported only", change: func(r *inventory.Row) { r.Imported = true }, want: "unknown", why: "imported and not seen in AWS yet: only `flowkeeper restore` acts on it"},
		{name: "ignored", policy: incident.Policy{Rules: rule(incident.Ignore)}, want: "exempt", why: "rule: arn:aws:iam::111122223333:role/o* may delete flow logs"},
		{name: "alert by rule", policy: incident.Policy{Rules: rule(incident.Alert)}, want: "alert_only", why: "rule: deletions by arn:aws:iam::111122223333:role/o* only alert"},
		{name: "alert by mode", policy: incident.Policy{AlertOnly: true}, want: "alert_only", why: "remediate.mode is alert"},
		{name: "the mode comes before a wait", policy: incident.Policy{AlertOnly: true, Rules: rule(incident.Wait)}, want: "alert_only", why: "remediate.mode is alert"},
		{name: "a release comes before the mode", change: released, policy: incident.Policy{AlertOnly: true}, want: "released", why: "released at the time of the deletion"},
		{name: "wait", policy: incident.Policy{Rules: rule(incident.Wait)}, want: "wait", why: "rule: arn:aws:iam::111122223333:role/o* has 1h to replace it, then it is restored"},
		{name: "{account} is the flow log's own", policy: incident.Policy{Rules: []incident.Rule{{Principal: "arn:aws:iam::{account}:role/ops", Action: incident.Alert}}}, want: "alert_only", why: "rule: deletions by arn:aws:iam::{account}:role/ops only alert"},
		{name: "restore by rule", policy: incident.Policy{Rules: append(rule(incident.Restore), rule(incident.Ignore)...)}, want: "restore", why: atOnce},
		{name: "released now, by a record without a time", change: released, untimed: true, want: "released", why: "released at the time of the deletion"},
		{name: "restored too often", policy: incident.Policy{MaxRestores: 1, RestoreInterval: time.Hour}, restored: restoredBefore, want: "wait", why: "it was restored often within the hour: the next time at 2026-03-01T12:59:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			row := inventory.Row{Protected: true, State: inventory.Live, FlowLog: inventory.FlowLog{ID: "fl-1", Scope: scope}, RootID: "fl-1"}
			if c.change != nil {
				c.change(&row)
			}
			of := &incident.Case{Scope: scope, Now: noon, Policy: c.policy}
			of.Load([]inventory.Row{row}, c.restored)
			actor := alert.Actor{ARN: "arn:aws:sts::111122223333:assumed-role/ops/x", SessionIssuer: ops}
			rec := incident.Record{EventID: "event-1", Time: noon, Actor: actor, Rule: c.policy.RuleFor(scope.Account, ops)}
			if c.untimed {
				rec.Time = time.Time{}
			}
			if got := planOne(of, row.ID, rec); got.Would != c.want || got.Why != c.why {
				t.Errorf("%s (%s), want %s (%s)", got.Would, got.Why, c.want, c.why)
			}
		})
	}
}

// snapshot is a state file with two flow logs of one scope, of which the second was restored.
type snapshot struct{ remediate.Tx }

func (s snapshot) View(_ context.Context, fn func(remediate.Tx) error) error { return fn(s) }

func (snapshot) Case(of inventory.Scope, which incident.Selection, now time.Time) (*incident.Case, error) {
	c := &incident.Case{Scope: of, Now: now}
	if of != scope {
		return c, nil
	}
	var rows []inventory.Row
	for _, id := range []string{"fl-1", "fl-2"} {
		rows = append(rows, inventory.Row{Protected: true, State: inventory.Live, FlowLog: inventory.FlowLog{ID: id, Scope: scope}, RootID: id})
	}
	c.Load(rows, []incident.Incident{{Scope: scope, FlowLogID: "fl-2", RootID: "fl-2", State: incident.Verified, NewID: "fl-3"}})
	return c, nil
}

// TestPlanKnowsTheSnapshot: a forecast looks up a flow log in the scope of the record only: the same ID in another
// scope is unknown. It names an incident that the flow log already has.
func TestPlanKnowsTheSnapshot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		region, id, would string
		incident          incident.State
		why               string
	}{
		{"eu-west-1", "fl-1", Restore, "", atOnce},
		{"eu-west-1", "fl-2", Restored, incident.Verified, "as fl-3"},
		{"us-east-1", "fl-1", string(incident.Unknown), "", "the snapshot never saw it in 111122223333/us-east-1: there is nothing to recreate it from"},
		{"eu-west-1", "fl-9", string(incident.Unknown), "", "the snapshot never saw it in 111122223333/eu-west-1: there is nothing to recreate it from"},
		{"eu-central-1", "fl-1", NotConfigured, "", "its account or Region is not configured: nothing is done about its records"},
	} {
		t.Run(c.id+" in "+c.region, func(t *testing.T) {
			t.Parallel()
			f := detection.Finding{Kind: detection.Deleted, Deleted: []string{c.id}, Record: cloudtrail.Record{Account: scope.Account, Region: c.region, EventTime: noon}}
			v, err := Planner{Cases: snapshot{}, Watched: notFrankfurt{}}.Explain(t.Context(), f)
			if err != nil || len(v.FlowLogs) != 1 {
				t.Fatalf("%+v, %v", v, err)
			}
			if got := v.FlowLogs[0]; got.Would != c.would || got.Why != c.why || got.Incident != c.incident || (got.FlowLog != nil) != (c.would == Restore) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// notFrankfurt watches all Regions but eu-central-1.
type notFrankfurt struct{}

func (notFrankfurt) Has(s inventory.Scope) bool { return s.Region != "eu-central-1" }

// manyDepend is a state file in which more flow logs deliver to one bucket than a forecast lists.
type manyDepend struct{ tamper.Tx }

func (m manyDepend) View(_ context.Context, fn func(tamper.Tx) error) error { return fn(m) }

func (manyDepend) Usages(_, _ delivery.ResourceKey) ([]tamper.Usage, error) {
	return []tamper.Usage{{Scope: scope, Target: delivery.TargetOf(toLogs), Live: 70}}, nil
}

func (manyDepend) LiveWith(_ inventory.Scope, _ delivery.Target, limit int) ([]inventory.Row, error) {
	return slices.Repeat([]inventory.Row{{FlowLog: toLogs}}, limit), nil
}

func (manyDepend) KnownMissing(inventory.Scope, int) ([]incident.Incident, error) { return nil, nil }

var toLogs = inventory.FlowLog{ID: "fl-1", Scope: scope, Settings: inventory.Settings{LogDestinationType: "s3", LogDestination: "arn:aws:s3:::logs"}}

// TestTamperingSaysHowManyItLeavesOut: the forecast of a tampering lists only some of the flow logs that depend on its
// target, and says how many it leaves out.
func TestTamperingSaysHowManyItLeavesOut(t *testing.T) {
	t.Parallel()
	r := cloudtrail.Record{Account: scope.Account, Region: scope.Region, EventSource: "s3.amazonaws.com", EventName: "DeleteBucket", Target: "logs", EventTime: noon}
	v, err := Planner{Tampering: manyDepend{}}.Explain(t.Context(), detection.Finding{Kind: detection.Tampered, Record: r})
	if err != nil || len(v.FlowLogs)+v.Omitted != 70 || v.Omitted == 0 {
		t.Errorf("%d listed and %d left out of 70, %v", len(v.FlowLogs), v.Omitted, err)
	}
}
