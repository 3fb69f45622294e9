package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// record applies a record with the event ID e-2: mallory called DeleteFlowLogs for one flow log 5 seconds ago.
func record(id string, change ...func(*Record)) func(*Case) string {
	return func(c *Case) string {
		rec := Record{EventID: "e-2", Time: now.Add(-5 * time.Second), Actor: alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"}, Rule: Rule{Action: Restore}}
		for _, fn := range change {
			fn(&rec)
		}
		n := c.ApplyRecord(id, rec)
		var out []string
		if n.News {
			out = append(out, "news")
		}
		if n.Allowed {
			out = append(out, "excused")
		}
		if n.Foreseen != "" {
			out = append(out, "foreseen "+string(n.Foreseen))
		}
		if i, _ := c.Incident(id); fmt.Sprint(i) != fmt.Sprint(n.Incident) {
			out = append(out, "another incident")
		}
		return strings.Join(out, ", ")
	}
}

func rule(r Rule) func(*Record)    { return func(rec *Record) { rec.Rule = r } }
func at(t time.Time) func(*Record) { return func(rec *Record) { rec.Time = t } }
func applied(rec *Record)          { rec.Applied = true }
func addendum(rec *Record)         { rec.Addendum, rec.NamedBefore = true, true }

func TestApplyRecord(t *testing.T) {
	t.Parallel()
	modeOnly := func(i *Incident) { i.ModeOnly = true }
	releasedThen := func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(-2*time.Hour), noon.Add(-time.Minute) }
	awaits := func(i *Incident) { drifted(i); i.WaitUntil = now.Add(time.Minute) }
	play(t, []scenario{
		{"of a live flow log", given(live("fl-1")), record("fl-1"),
			`= news | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore | history fl-1 open: named`},
		{"of one that the snapshot has as gone", given(gone("fl-1")), record("fl-1"),
			`= news | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore | history fl-1 open: named`},
		{"I2: of one that AWS never showed", given(), record("fl-1"),
			`= news, foreseen unknown | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore | history fl-1 open: named`},
		{"I2: of one that only an imported file has", given(live("fl-1", imported)), record("fl-1"), `
			= news, foreseen unknown
			fl-1 opened: ResourceID="" Known=false Frozen=nothing Source=event EventID=e-2 Actor=mallory FirstSeenAt=never LastSeenAt=never DeletedAt=-5s Action=restore
			history fl-1 open: named`},
		{"during a release", given(live("fl-1", released)), record("fl-1"), `
			= news, excused, foreseen released
			fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore
			history fl-1 open: named`},
		{"I2: of a deletion before the release", given(live("fl-1", released)), record("fl-1", at(noon.Add(-time.Hour))),
			`= news | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-1h1m0s Action=restore | history fl-1 open: named`},
		{"of a decoy", given(live("fl-1", unprotected)), record("fl-1"), `
			= news, excused, foreseen exempt
			fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore
			history fl-1 open: named`},
		{"by a principal whom a rule lets delete", given(live("fl-1")), record("fl-1", rule(Rule{Action: Ignore})), `
			= news, excused, foreseen exempt
			fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=ignore
			history fl-1 open: named`},
		{"by a principal whose deletions a rule only reports", given(live("fl-1")), record("fl-1", rule(Rule{Action: Alert})),
			`= news, foreseen alert_only | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=alert | history fl-1 open: named`},
		{"by a principal whose replacement a rule waits for", given(live("fl-1")), record("fl-1", rule(Rule{Action: Wait, Wait: time.Hour})), `
			= news
			fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=wait WaitUntil=+1h0m0s Waited=1h0m0s
			history fl-1 open: named`},
		{"without a time", given(live("fl-1")), record("fl-1", at(time.Time{})),
			`= news | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=now Action=restore | history fl-1 open: named`},
		{"of a time that is still to come", given(live("fl-1")), record("fl-1", at(now.Add(time.Hour))),
			`= news | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=now Action=restore | history fl-1 open: named`},
		{"in mode alert", given(live("fl-1"), func(c *Case) { c.Policy.AlertOnly = true }), record("fl-1"),
			`= news, foreseen alert_only | fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore | history fl-1 open: named`},

		{"I4: applied before", given(live("fl-1"), pending("fl-1")), record("fl-1", applied), ``},
		{"I4: applied before, and foreseen again", given(live("fl-1", released), pending("fl-1")), record("fl-1", applied),
			`= excused, foreseen released`},
		{"another record of the same loss", given(live("fl-1"), pending("fl-1")), record("fl-1"), `= news | fl-1: NextAttemptAt=now | history fl-1 open: named`},
		{"an addendum", given(live("fl-1"), pending("fl-1")), record("fl-1", addendum), `fl-1: NextAttemptAt=now | history fl-1 open: named`},
		{"I2: an addendum of an event that did not name it", given(live("fl-1"), pending("fl-1")), record("fl-1", addendum, func(r *Record) { r.NamedBefore = false }),
			`= news | fl-1: NextAttemptAt=now | history fl-1 open: named`},
		{"I2: an addendum that is stricter", given(live("fl-1"), pending("fl-1", asked(Alert))), record("fl-1", addendum),
			`= news | fl-1: Action=restore NextAttemptAt=now | history fl-1 open: named`},

		{"I2: of a stricter rule", given(live("fl-1"), pending("fl-1", asked(Ignore))), record("fl-1"),
			`= news | fl-1: Action=restore NextAttemptAt=now | history fl-1 open: named`},
		{"I2: of a laxer rule", given(live("fl-1"), pending("fl-1")), record("fl-1", rule(Rule{Action: Ignore})),
			`= news, excused | fl-1: NextAttemptAt=now | history fl-1 open: named`},
		{"I2: of a rule that waits, after one that does not", given(live("fl-1"), pending("fl-1", asked(Alert))), record("fl-1", rule(Rule{Action: Wait, Wait: time.Hour})),
			`= news | fl-1: Action=wait WaitUntil=+1h0m0s Waited=1h0m0s NextAttemptAt=now | history fl-1 open: named`},
		{"of a rule that does not wait, after one that does", given(live("fl-1"), pending("fl-1", asked(Wait), func(i *Incident) { i.WaitUntil, i.Waited = now.Add(time.Hour), time.Hour })),
			record("fl-1"), `= news | fl-1: Action=restore WaitUntil=never Waited=0s NextAttemptAt=now | history fl-1 open: named`},
		{"of a rule that waits, once more", given(live("fl-1"), pending("fl-1", asked(Wait), func(i *Incident) { i.WaitUntil, i.Waited = now.Add(time.Minute), time.Hour })),
			record("fl-1", rule(Rule{Action: Wait, Wait: time.Hour})), `= news | history fl-1 open: named`},

		{"after a refresh that found it gone", given(gone("fl-1"), pending("fl-1", drifted, func(i *Incident) { i.WaitUntil = now.Add(time.Minute) })), record("fl-1"),
			`= news | fl-1: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s WaitUntil=never NextAttemptAt=now | history fl-1 open: named`},
		{"after a refresh, by a principal whom a rule lets delete", given(gone("fl-1"), pending("fl-1", drifted)), record("fl-1", rule(Rule{Action: Ignore})), `
			= news, excused, foreseen exempt
			fl-1: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=ignore NextAttemptAt=now
			history fl-1 open: named`},
		{"after a refresh and the restore", given(gone("fl-1"), back("fl-1", "fl-2", drifted)), record("fl-1"),
			`= news | fl-1: Source=event Actor=mallory DeletedAt=-5s | history fl-1 restored: named`},
		{"after the restore", given(gone("fl-1"), back("fl-1", "fl-2")), record("fl-1"), `= news | history fl-1 restored: named`},
		{"when it is blocked", given(gone("fl-1"), blocked("fl-1", Role)), record("fl-1"),
			`= news | fl-1: NextAttemptAt=now | history fl-1 blocked/role: named`},
		{"of a deletion after the release, when the incident has one from before", given(live("fl-1", releasedThen), pending("fl-1", func(i *Incident) { i.DeletedAt = noon.Add(-time.Hour) })), record("fl-1"),
			`= news | fl-1: EventID=e-2 DeletedAt=-5s NextAttemptAt=now | history fl-1 open: named`},

		{"I2: after AWS showed it alive", given(live("fl-1", does(rejects)), closed("fl-1", StillThere)), record("fl-1"),
			`= news | fl-1 reopened: Frozen=traffic_type: "REJECT" instead of "ALL" EventID=e-2 DeletedAt=-5s | history fl-1 open: named`},
		{"closed because of a laxer rule", given(gone("fl-1"), closed("fl-1", Exempt, asked(Ignore))), record("fl-1"),
			`= news | fl-1 reopened: EventID=e-2 DeletedAt=-5s Action=restore | history fl-1 open: named`},
		{"closed because of the same rule", given(gone("fl-1"), closed("fl-1", Exempt, asked(Ignore))), record("fl-1", rule(Rule{Action: Ignore})),
			`= news, excused | history fl-1 closed/exempt: named`},
		{"closed, because a rule only reported it", given(gone("fl-1"), closed("fl-1", AlertOnly, asked(Alert))), record("fl-1"),
			`= news | fl-1 reopened: EventID=e-2 DeletedAt=-5s Action=restore | history fl-1 open: named`},
		{"closed, because the mode only reported it", given(gone("fl-1"), closed("fl-1", AlertOnly, modeOnly)), record("fl-1"),
			`= news | history fl-1 closed/alert_only: named`},
		{"closed, because a rule only reported it; now a rule waits", given(gone("fl-1"), closed("fl-1", AlertOnly, asked(Alert))), record("fl-1", rule(Rule{Action: Wait, Wait: time.Hour})),
			`= news | fl-1 reopened: EventID=e-2 DeletedAt=-5s Action=wait WaitUntil=+1h0m0s Waited=1h0m0s | history fl-1 open: named`},
		{"closed, because it was released when last seen; it was not when deleted", given(gone("fl-1", releasedThen), closed("fl-1", Released, awaits)), record("fl-1"),
			`= news | fl-1 reopened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s | history fl-1 open: named`},
		{"I2: the same, but a day later", given(gone("fl-1", releasedThen), closed("fl-1", Released, awaits, func(i *Incident) { i.OpenedAt = now.Add(-24 * time.Hour) })), record("fl-1"),
			`= news | history fl-1 closed/released: named`},
		{"closed, because it was released when last seen; it was when deleted, too", given(gone("fl-1", released), closed("fl-1", Released, awaits)), record("fl-1"),
			`= news, excused | history fl-1 closed/released: named`},
		{"I2: closed, because an operator released it", given(gone("fl-1"), closed("fl-1", Released)), record("fl-1"), `= news | history fl-1 closed/released: named`},
		{"closed, because its resource is gone", given(gone("fl-1"), closed("fl-1", ResourceGone)), record("fl-1"),
			`= news | history fl-1 closed/resource_gone: named`},
		{"closed as superseded", given(gone("fl-1"), closed("fl-1", Superseded)), record("fl-1"), `= news | history fl-1 closed/superseded: named`},
		{"closed as replaced", given(gone("fl-1"), closed("fl-1", Replaced)), record("fl-1"), `= news | history fl-1 closed/replaced: named`},
		{"closed as never seen", given(closed("fl-1", Unknown, unknown)), record("fl-1"), `= news | history fl-1 closed/unknown: named`},

		{"wakes what is blocked on the resource", given(live("fl-1"), gone("fl-2"), blocked("fl-2", Decoy), blocked("fl-3", Role, func(i *Incident) { i.ResourceID = "vpc-2" })), record("fl-1"), `
			= news
			fl-2: NextAttemptAt=now
			fl-1 opened: Source=event EventID=e-2 Actor=mallory DeletedAt=-5s Action=restore
			history fl-1 open: named`},
	})
}

// TestForesee: Foresee returns the reason for which the incident will be closed without a restore, once AWS has not
// shown the flow log for long enough. It is empty if the flow log will be restored.
func TestForesee(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		given  *Case
		reason Reason
	}{
		{"nothing prevents it", given(live("fl-1"), pending("fl-1")), ""},
		{"it is released", given(live("fl-1", released), pending("fl-1")), Released},
		{"it is released, and too young for AWS to show", given(live("fl-1", released, func(r *inventory.Row) { r.CreatedAt = now }), pending("fl-1")), Released},
		{"it was opened a moment later", given(live("fl-1"), pending("fl-1", func(i *Incident) { i.OpenedAt = now.Add(time.Second) })), ""},
		{"a rule waits", given(live("fl-1"), pending("fl-1", asked(Wait), func(i *Incident) { i.WaitUntil = now.Add(time.Hour) })), ""},
		{"it is back", given(live("fl-1", released), back("fl-1", "fl-2")), ""},
		{"it was never seen", given(pending("fl-1", unknown)), Unknown},
		{"it was never seen, before the first refresh", given(pending("fl-1", unknown), func(c *Case) { c.Complete = false }), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, _ := c.given.Incident("fl-1")
			if got := c.given.Foresee(i); got != c.reason {
				t.Errorf("%q, want %q", got, c.reason)
			}
		})
	}
}

// TestForecast: Forecast returns the decision about a flow log that a record names, and its cause, once AWS has not
// shown the flow log for long enough.
func TestForecast(t *testing.T) {
	t.Parallel()
	rec := func(r Rule) Record { return Record{EventID: "e-2", Time: now.Add(-5 * time.Second), Rule: r} }
	restores, alerts := rec(Rule{Action: Restore}), rec(Rule{Action: Alert})
	incomplete := func(c *Case) { c.Complete = false }
	young := func(r *inventory.Row) { r.CreatedAt = now }
	lateDecoy := func(r *inventory.Row) { r.CreatedAt = noon.Add(10 * time.Second); rejects(&r.FlowLog) }
	flapped := func(c *Case) {
		c.Policy.MaxRestores = 1
		c.Load(nil, []Incident{back("fl-0", "fl-1", func(i *Incident) { i.RootID = "fl-1" })})
	}
	for _, c := range []struct {
		name  string
		given *Case
		rec   Record
		next  Next
		cause Cause
	}{
		{"nothing prevents it", given(live("fl-1")), restores, Create, ""},
		{"AWS never showed it", given(), restores, Close, NotSeen},
		{"AWS never showed it, before the first refresh", given(incomplete), restores, Requeue, NotSeen},
		{"only an imported file has it", given(live("fl-1", imported)), restores, Close, ImportedOnly},
		{"only an imported file has it, before the first refresh", given(live("fl-1", imported), incomplete), restores, Requeue, ImportedOnly},
		{"it is released", given(live("fl-1", released)), restores, Close, WasReleased},
		{"it is released, and young", given(live("fl-1", released, young)), restores, Close, WasReleased},
		{"its destination is not approved", given(live("fl-1", unprotected, func(r *inventory.Row) { r.Held = true })), restores, Close, NotApproved},
		{"it is not protected", given(live("fl-1", unprotected)), alerts, Close, NotProtected},
		{"it is protected, and a late decoy of what is lost", given(live("fl-0"), pending("fl-0"), live("fl-1", lateDecoy)), restores, Close, NotProtected},
		{"a rule lets the principal delete", given(live("fl-1")), rec(Rule{Action: Ignore}), Close, RuleIgnores},
		{"a rule only reports the principal's deletions", given(live("fl-1")), alerts, Close, RuleAlerts},
		{"a rule only reports the principal's deletions, in mode alert", given(live("fl-1"), func(c *Case) { c.Policy.AlertOnly = true }), alerts, Close, ModeAlerts},
		{"a rule waits for a replacement", given(live("fl-1")), rec(Rule{Action: Wait, Wait: time.Hour}), Postpone, AwaitsCaller},
		{"restored too often", given(live("fl-1"), flapped), restores, PostponeFlapping, HeldBack},
		{"it is lost already, and a person asked for it", given(gone("fl-1"), pending("fl-1", func(i *Incident) { i.Requested = true })), alerts, Close, RuleAlerts},
		{"it is back", given(gone("fl-1"), back("fl-1", "fl-2")), alerts, Adopt, ""},
		{"it is back, and only an imported file has its row", given(gone("fl-1", imported), back("fl-1", "fl-2")), alerts, Adopt, ""},
		{"it is back, and the snapshot has forgotten it", given(back("fl-1", "fl-2")), restores, Close, NotSeen},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.given.Forecast("fl-1", c.rec)
			if d.Next != c.next || d.Cause != c.cause || (d.Found.ID == "fl-2") != (c.next == Adopt) {
				t.Errorf("%s %s, because %q; want %s, because %q", d.Next, d.Found.ID, d.Cause, c.next, c.cause)
			}
		})
	}
}
