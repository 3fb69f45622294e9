package incident

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy = Policy{ConsistencyWindow: 2 * time.Minute, VerifyAfter: 10 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute}
	wanted = inventory.Settings{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", LogFormat: "${version}", MaxAggregationInterval: 600}
)

func lost() Incident {
	return Incident{Scope: scope, FlowLogID: "fl-lost", RootID: "fl-lost", ResourceID: "vpc-1", State: Open, Known: true, Action: Restore, Frozen: wanted,
		Source: ByEvent, DeletedAt: noon.Add(-time.Second), OpenedAt: noon, Actor: &alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"}}
}

// other is a flow log in the place of the lost one: an equivalent, or what change makes of it.
func other(id string, change func(*Other)) Other {
	o := Other{FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: wanted, Status: "ACTIVE", CreatedAt: noon}, Adoptable: true, MayExcuse: true}
	if change != nil {
		change(&o)
	}
	return o
}

func TestDecide(t *testing.T) {
	t.Parallel()
	known := Facts{ResourceID: "vpc-1", At: noon, InSnapshot: true, Protected: true, Complete: true}
	restored := func(o *Other) { o.Tags = map[string]string{RestoredFrom: "event"} }
	decoy := other("fl-decoy", func(o *Other) { o.TrafficType = "REJECT" })
	for _, c := range []struct {
		name   string
		change func(*Incident, *Facts, *Policy)
		next   Next
		reason Reason
		at     time.Duration // after noon
	}{
		{"absent: create", nil, Create, "", 0},
		{"I2: shown alive", func(_ *Incident, o *Facts, _ *Policy) { o.Alive = true }, Requeue, "", time.Second},
		{"another resource was observed", func(_ *Incident, o *Facts, _ *Policy) { o.ResourceID = "vpc-2" }, Requeue, "", 0},
		{"known without a resource", func(i *Incident, o *Facts, _ *Policy) {
			i.ResourceID, o.ResourceID, o.At = "", "", time.Time{}
		}, Create, "", 0},
		{"observed before it was opened", func(_ *Incident, o *Facts, _ *Policy) { o.At = noon.Add(-time.Second) }, Requeue, "", 0},
		{"alive for a while", func(i *Incident, o *Facts, _ *Policy) {
			o.Alive, i.TimesAlive, i.AliveSince = true, 3, noon.Add(-10*time.Second)
		}, Requeue, "", 8 * time.Second},
		{"alive for longer: after 15 s, not 16", func(i *Incident, o *Facts, _ *Policy) {
			o.Alive, i.TimesAlive, i.AliveSince = true, 4, noon.Add(-20*time.Second)
		}, Requeue, "", 15 * time.Second},
		{"alive near the end of the consistency window", func(i *Incident, o *Facts, _ *Policy) {
			o.Alive, i.TimesAlive, i.AliveSince = true, 9, noon.Add(-110*time.Second)
		}, Requeue, "", 10 * time.Second},
		{"alive for the consistency window", func(i *Incident, o *Facts, _ *Policy) { o.Alive, i.AliveSince = true, noon.Add(-2*time.Minute) }, Close, StillThere, 0},
		{"I2: alive for the consistency window, but AWS was asked before the end of that", func(i *Incident, o *Facts, _ *Policy) {
			i.OpenedAt, o.Alive, i.AliveSince, o.At = noon.Add(-3*time.Minute), true, noon.Add(-2*time.Minute), noon.Add(-time.Second)
		}, Requeue, "", 0},
		{"alive, even if a rule excuses it", func(i *Incident, o *Facts, _ *Policy) { o.Alive, i.Action = true, Ignore }, Requeue, "", time.Second},
		{"never seen, before the first refresh", func(i *Incident, o *Facts, _ *Policy) { i.Known, o.InSnapshot, o.Complete = false, false, false }, Requeue, "", 15 * time.Second},
		{"the snapshot has come to know it since it was lost", func(i *Incident, _ *Facts, _ *Policy) { i.Known = false }, Create, "", 0},
		{"the snapshot had it, and has dropped its row since", func(_ *Incident, o *Facts, _ *Policy) { o.InSnapshot, o.Protected = false, false }, Create, "", 0},
		{"never seen", func(i *Incident, o *Facts, _ *Policy) { i.Known, o.InSnapshot = false, false }, Close, Unknown, 0},
		{"released", func(_ *Incident, o *Facts, _ *Policy) { o.Released = true }, Close, Released, 0},
		{"released, but a person asks", func(i *Incident, o *Facts, _ *Policy) { o.Released, i.Requested = true, true }, Create, "", 0},
		{"released, and so young that AWS need not show it yet", func(_ *Incident, o *Facts, _ *Policy) { o.Released, o.CreatedAt = true, noon.Add(-time.Minute) }, Postpone, "", time.Minute},
		{"I5: released, and so young when AWS was asked that AWS did not have to show it", func(i *Incident, o *Facts, _ *Policy) {
			i.OpenedAt, o.Released, o.CreatedAt, o.At = noon.Add(-time.Minute), true, noon.Add(-2*time.Minute), noon.Add(-time.Second)
		}, Postpone, "", time.Second},
		{"released, and old enough", func(_ *Incident, o *Facts, _ *Policy) { o.Released, o.CreatedAt = true, noon.Add(-2*time.Minute) }, Close, Released, 0},
		{"released, and made when the clock was ahead", func(_ *Incident, o *Facts, _ *Policy) { o.Released, o.CreatedAt = true, noon.Add(time.Hour) }, Close, Released, 0},
		{"I2: released, but a shared call has made it", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call, o.Others = true, &SentCall{At: noon.Add(-time.Hour)}, []Other{other("fl-new", restored)}
		}, Adopt, "", 0},
		{"I2: released, and AWS need not show yet what a shared call may have made", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call = true, &SentCall{At: noon.Add(-5 * time.Second)}
		}, Postpone, "", 5 * time.Second},
		{"I2: released, and AWS must show by now what a shared call may have made", func(i *Incident, o *Facts, p *Policy) {
			sent := SentCall{}
			o.Released, i.Call = true, &SentCall{At: noon.Add(-sent.showsBy(*p).Sub(sent.At))}
		}, Close, Released, 0},
		{"released: somebody else's equivalent is none that a shared call has made", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call, o.Others = true, &SentCall{At: noon.Add(-time.Hour)}, []Other{other("fl-new", nil)}
		}, Close, Released, 0},
		{"released, and a shared call was sent when the clock was ahead", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call = true, &SentCall{At: noon.Add(time.Hour)}
		}, Close, Released, 0},
		{"released, and a shared call has made nothing", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call = true, &SentCall{At: noon.Add(-time.Hour)}
		}, Close, Released, 0},
		{"perhaps a decoy, opened just now", func(_ *Incident, o *Facts, _ *Policy) { o.MayBeDecoy = true }, Postpone, "", time.Second},
		{"perhaps a decoy, for a while", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.OpenedAt = true, noon.Add(-5*time.Second) }, Postpone, "", 5 * time.Second},
		{"perhaps a decoy, for longer", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.OpenedAt = true, noon.Add(-time.Minute) }, Postpone, "", 15 * time.Second},
		{"perhaps a decoy, near the end of the consistency window", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.OpenedAt = true, noon.Add(-110*time.Second) }, Postpone, "", 10 * time.Second},
		{"perhaps a decoy, for the consistency window: it counts as one", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.OpenedAt = true, noon.Add(-2*time.Minute) }, Close, Exempt, 0},
		{"perhaps a decoy, but a person asks", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.Requested = true, true }, Create, "", 0},
		{"held", func(_ *Incident, o *Facts, _ *Policy) { o.Held, o.Protected = true, false }, Close, Held, 0},
		{"held, but a person asks", func(i *Incident, o *Facts, _ *Policy) { o.Held, o.Protected, i.Requested = true, false, true }, Create, "", 0},
		{"not protected", func(_ *Incident, o *Facts, _ *Policy) { o.Protected = false }, Close, Exempt, 0},
		{"not protected, but a person asks", func(i *Incident, o *Facts, _ *Policy) { o.Protected, i.Requested = false, true }, Create, "", 0},
		{"ignored", func(i *Incident, _ *Facts, _ *Policy) { i.Action = Ignore }, Close, Exempt, 0},
		{"ignored, but a person asks", func(i *Incident, _ *Facts, _ *Policy) { i.Action, i.Requested = Ignore, true }, Create, "", 0},
		{"alert only", func(i *Incident, _ *Facts, _ *Policy) { i.Action = Alert }, Close, AlertOnly, 0},
		{"mode alert", func(_ *Incident, _ *Facts, p *Policy) { p.AlertOnly = true }, Close, AlertOnly, 0},
		{"mode alert, but a person asks", func(i *Incident, _ *Facts, p *Policy) { p.AlertOnly, i.Requested = true, true }, Create, "", 0},
		{"waiting", func(i *Incident, _ *Facts, _ *Policy) { i.Action, i.WaitUntil = Wait, noon.Add(time.Minute) }, Postpone, "", time.Minute},
		{"waiting, and an equivalent is there", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, o.Others = Wait, noon.Add(time.Minute), []Other{other("fl-new", nil)}
		}, Postpone, "", time.Minute},
		{"waiting, but a person asks", func(i *Incident, _ *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Requested = Wait, noon.Add(time.Minute), true
		}, Create, "", 0},
		{"waited", func(i *Incident, _ *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
		}, Create, "", 0},
		{"replaced within the wait", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			o.Others = []Other{other("fl-new", func(x *Other) { x.LogDestination, x.CreatedBy = "arn:aws:s3:::other", i.Actor.ARN })}
		}, Close, Replaced, 0},
		{"replaced by a flow log that excuses another loss, or delivers to a new destination", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			o.Others = []Other{other("fl-new", func(x *Other) {
				x.LogDestination, x.CreatedBy, x.MayExcuse = "arn:aws:s3:::other", i.Actor.ARN, false
			})}
		}, Create, "", 0},
		{"I2: replaced as late after the deletion as the wait is long", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited, i.DeletedAt = Wait, noon, time.Minute, noon.Add(-time.Minute)
			o.Others = []Other{other("fl-new", func(x *Other) { x.LogDestination, x.CreatedBy = "arn:aws:s3:::other", i.Actor.ARN })}
		}, Close, Replaced, 0},
		{"I2: replaced a moment later than that", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited, i.DeletedAt = Wait, noon, time.Minute, noon.Add(-time.Minute-1)
			o.Others = []Other{other("fl-new", func(x *Other) { x.LogDestination, x.CreatedBy = "arn:aws:s3:::other", i.Actor.ARN })}
		}, Create, "", 0},
		{"I2: neither the principal who deleted it nor the maker of the other one is known", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited, i.Actor = Wait, noon, time.Minute, &alert.Actor{UserName: "terraform"}
			o.Others = []Other{other("fl-new", func(x *Other) { x.LogDestination = "arn:aws:s3:::other" })}
		}, Create, "", 0},
		{"I3: an equivalent that is older than the lost one, and so gone, replaces nothing", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited, o.CreatedAt, o.Others = Wait, noon, time.Minute, noon.Add(time.Second), []Other{other("fl-new", func(x *Other) { x.CreatedBy = i.Actor.ARN })}
		}, Create, "", 0},
		{"replaced by a flow log that is gone again, and that a stale observation shows", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			o.Others = []Other{other("fl-new", func(x *Other) {
				x.LogDestination, x.CreatedBy, x.Adoptable = "arn:aws:s3:::other", i.Actor.ARN, false
			})}
		}, Create, "", 0},
		{"drift, and an equivalent is there within the wait", func(i *Incident, o *Facts, _ *Policy) {
			i.Source, i.WaitUntil, o.Others = ByDrift, noon.Add(time.Minute), []Other{other("fl-new", nil)}
		}, Adopt, "", 0},
		{"drift, and nothing is there within the wait", func(i *Incident, _ *Facts, _ *Policy) { i.Source, i.WaitUntil = ByDrift, noon.Add(time.Minute) }, Postpone, "", time.Minute},
		{"replaced by somebody else", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			o.Others = []Other{other("fl-new", func(x *Other) {
				x.LogDestination, x.CreatedBy = "arn:aws:s3:::other", "arn:aws:iam::111122223333:user/else"
			})}
		}, Create, "", 0},
		{"I3: an equivalent is there", func(_ *Incident, o *Facts, _ *Policy) { o.Others = []Other{other("fl-new", nil)} }, Adopt, "", 0},
		{"I3: an equivalent that is lost itself", func(_ *Incident, o *Facts, _ *Policy) {
			o.Others = []Other{other("fl-new", func(x *Other) { x.Adoptable = false })}
		}, Create, "", 0},
		{"I3: a decoy does not stop the attempt", func(_ *Incident, o *Facts, _ *Policy) { o.Others = []Other{decoy} }, Create, "", 0},
		{"AWS says it exists: a decoy", func(_ *Incident, o *Facts, _ *Policy) { o.Others, o.AlreadyExists = []Other{decoy}, true }, DecoyInTheWay, "", 0},
		{"AWS says it exists, and shows nothing", func(_ *Incident, o *Facts, _ *Policy) { o.AlreadyExists = true }, Requeue, "", 2 * time.Second},
		{"AWS says it exists: an equivalent that counts as lost", func(_ *Incident, o *Facts, _ *Policy) {
			o.Others, o.AlreadyExists = []Other{other("fl-new", func(x *Other) { x.Adoptable = false })}, true
		}, Requeue, "", 2 * time.Second},
		{"AWS says again and again that it exists", func(i *Incident, o *Facts, _ *Policy) { o.AlreadyExists, i.Attempts = true, 30 }, Requeue, "", 16 * time.Second},
		{"AWS says it exists, and shows only a flow log from before the loss", func(i *Incident, o *Facts, _ *Policy) {
			o.Others, o.AlreadyExists, i.LastSeenAt, i.ExistsAt = []Other{decoy}, true, noon.Add(2*time.Minute), noon.Add(-2*time.Minute+1)
		}, Requeue, "", 2 * time.Second},
		{"AWS has said for the consistency window that it exists, and shows only a flow log from before the loss", func(i *Incident, o *Facts, _ *Policy) {
			o.Others, o.AlreadyExists, i.LastSeenAt, i.ExistsAt = []Other{decoy}, true, noon.Add(2*time.Minute), noon.Add(-2*time.Minute)
		}, DecoyInTheWay, "", 0},
		{"AWS has said for the consistency window that it exists, but was asked what is there before the end of that", func(i *Incident, o *Facts, _ *Policy) {
			i.OpenedAt, o.Others, o.AlreadyExists, i.LastSeenAt, i.ExistsAt = noon.Add(-3*time.Minute), []Other{decoy}, true, noon.Add(2*time.Minute), noon.Add(-2*time.Minute)
			o.At = noon.Add(-time.Second)
		}, Requeue, "", 2 * time.Second},
		{"AWS has said for the consistency window that it exists, and shows nothing", func(i *Incident, o *Facts, _ *Policy) {
			o.AlreadyExists, i.Attempts, i.ExistsAt = true, 30, noon.Add(-2*time.Minute)
		}, Requeue, "", time.Minute},
		{"a token mismatch, just now", func(i *Incident, _ *Facts, _ *Policy) { i.MismatchAt = noon }, Requeue, "", 5 * time.Second},
		{"a token mismatch, 12 s ago", func(i *Incident, _ *Facts, _ *Policy) { i.MismatchAt = noon.Add(-12 * time.Second) }, Requeue, "", 3 * time.Second},
		{"a token mismatch, 15 s ago", func(i *Incident, _ *Facts, _ *Policy) { i.MismatchAt = noon.Add(-15 * time.Second) }, NextToken, "", 0},
		{"a token mismatch, 15 s ago, and the observation is older", func(i *Incident, o *Facts, _ *Policy) {
			i.MismatchAt, i.OpenedAt, o.At = noon.Add(-15*time.Second), noon.Add(-time.Minute), noon.Add(-time.Second)
		}, Requeue, "", time.Second},
		{"a token mismatch, and AWS shows each change at once", func(i *Incident, _ *Facts, p *Policy) { i.MismatchAt, p.ConsistencyWindow = noon, 0 }, NextToken, "", 0},
		{"I3: a token mismatch, and an equivalent is there", func(i *Incident, o *Facts, _ *Policy) {
			i.MismatchAt, o.Others = noon.Add(-15*time.Second), []Other{other("fl-new", nil)}
		}, Adopt, "", 0},
		{"a mismatch of a random token, 15 s ago", func(i *Incident, _ *Facts, _ *Policy) {
			i.MismatchAt, i.RandomToken, i.Attempts = noon.Add(-15*time.Second), "random", 2
		}, Requeue, "", 45 * time.Second},
		{"a mismatch of a random token, long ago", func(i *Incident, _ *Facts, _ *Policy) {
			i.MismatchAt, i.RandomToken, i.Attempts = noon.Add(-15*time.Minute), "random", 30
		}, NextToken, "", 0},
		{"flapping", func(_ *Incident, o *Facts, _ *Policy) {
			for n := range 5 {
				o.Restores = append(o.Restores, Incident{RestoredAt: noon.Add(-time.Duration(n) * time.Minute)})
			}
		}, PostponeFlapping, "", 10 * time.Minute},
		{"flapping, the interval has passed", func(_ *Incident, o *Facts, _ *Policy) {
			for n := range 5 {
				o.Restores = append(o.Restores, Incident{RestoredAt: noon.Add(-time.Duration(n+10) * time.Minute)})
			}
		}, Create, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, o, p := lost(), known, policy
			if c.change != nil {
				c.change(&i, &o, &p)
			}
			d := decide(i, o, p, noon)
			if d.Next != c.next || d.Reason != c.reason {
				t.Fatalf("decision %+v, want next %s, reason %q", d, c.next, c.reason)
			}
			keeps := d.Next == Close || d.Next == Postpone || d.Next == PostponeFlapping
			if d.Next != Requeue && keeps != (d.Cause != "") {
				t.Errorf("the cause of %s is %q", d.Next, d.Cause)
			}
			if c.at != 0 && !d.At.Equal(noon.Add(c.at)) {
				t.Errorf("at %s after noon, want %s", d.At.Sub(noon), c.at)
			}
			if named := d.Next == Adopt || d.Next == DecoyInTheWay || d.Reason == Replaced; named && d.Found.ID != o.Others[0].ID {
				t.Errorf("the decision names %q, want %q", d.Found.ID, o.Others[0].ID)
			}
		})
	}
}

// TestTheCauseOfADecision: a decision has the cause for which it was taken, so that `flowkeeper replay` and alerts
// need not guess it.
func TestTheCauseOfADecision(t *testing.T) {
	t.Parallel()
	facts := Facts{ResourceID: "vpc-1", At: noon, InSnapshot: true, Protected: true, Complete: true}
	waits := func(i *Incident) { i.Action, i.WaitUntil, i.Waited = Wait, noon.Add(time.Minute), time.Minute }
	for _, c := range []struct {
		name   string
		change func(*Incident, *Facts, *Policy)
		next   Next
		cause  Cause
	}{
		{"never seen", func(i *Incident, o *Facts, _ *Policy) { i.Known, o.InSnapshot = false, false }, Close, NotSeen},
		{"never seen, before the first refresh", func(i *Incident, o *Facts, _ *Policy) { i.Known, o.InSnapshot, o.Complete = false, false, false }, Requeue, NotSeen},
		{"imported", func(i *Incident, o *Facts, _ *Policy) { i.Known, o.InSnapshot, o.Imported = false, false, true }, Close, ImportedOnly},
		{"imported, before the first refresh", func(i *Incident, o *Facts, _ *Policy) {
			i.Known, o.InSnapshot, o.Imported, o.Complete = false, false, true, false
		}, Requeue, ImportedOnly},
		{"the snapshot has forgotten it", func(_ *Incident, o *Facts, _ *Policy) { o.InSnapshot, o.Protected = false, false }, Create, ""},
		{"not observed", func(_ *Incident, o *Facts, _ *Policy) { o.ResourceID = "vpc-2" }, Requeue, ""},
		{"shown alive", func(_ *Incident, o *Facts, _ *Policy) { o.Alive = true }, Requeue, StillShown},
		{"shown alive for the consistency window", func(i *Incident, o *Facts, _ *Policy) { o.Alive, i.AliveSince = true, noon.Add(-2*time.Minute) }, Close, StillShown},
		{"perhaps a decoy", func(_ *Incident, o *Facts, _ *Policy) { o.MayBeDecoy = true }, Postpone, PerhapsDecoy},
		{"perhaps a decoy, for the consistency window", func(i *Incident, o *Facts, _ *Policy) { o.MayBeDecoy, i.OpenedAt = true, noon.Add(-2*time.Minute) }, Close, NotProtected},
		{"released", func(_ *Incident, o *Facts, _ *Policy) { o.Released = true }, Close, WasReleased},
		{"released, and too young", func(_ *Incident, o *Facts, _ *Policy) { o.Released, o.CreatedAt = true, noon }, Postpone, WasReleased},
		{"released, and a shared call is in doubt", func(i *Incident, o *Facts, _ *Policy) {
			o.Released, i.Call = true, &SentCall{At: noon}
		}, Postpone, WasReleased},
		{"released, and held", func(_ *Incident, o *Facts, _ *Policy) { o.Released, o.Held, o.Protected = true, true, false }, Close, WasReleased},
		{"held", func(_ *Incident, o *Facts, _ *Policy) { o.Held, o.Protected = true, false }, Close, NotApproved},
		{"not protected", func(_ *Incident, o *Facts, _ *Policy) { o.Protected = false }, Close, NotProtected},
		{"not protected, and a rule lets the principal delete, in mode alert", func(i *Incident, o *Facts, p *Policy) {
			o.Protected, i.Action, p.AlertOnly = false, Ignore, true
		}, Close, NotProtected},
		{"a rule lets the principal delete", func(i *Incident, _ *Facts, _ *Policy) { i.Action = Ignore }, Close, RuleIgnores},
		{"a rule lets the principal delete, in mode alert", func(i *Incident, _ *Facts, p *Policy) { i.Action, p.AlertOnly = Ignore, true }, Close, RuleIgnores},
		{"mode alert", func(_ *Incident, _ *Facts, p *Policy) { p.AlertOnly = true }, Close, ModeAlerts},
		{"mode alert, and a rule only reports the principal's deletions", func(i *Incident, _ *Facts, p *Policy) { i.Action, p.AlertOnly = Alert, true }, Close, ModeAlerts},
		{"mode alert, and a rule waits for a replacement", func(i *Incident, _ *Facts, p *Policy) { waits(i); p.AlertOnly = true }, Close, ModeAlerts},
		{"a rule only reports the principal's deletions", func(i *Incident, _ *Facts, _ *Policy) { i.Action = Alert }, Close, RuleAlerts},
		{"an equivalent is there", func(_ *Incident, o *Facts, _ *Policy) { o.Others = []Other{other("fl-new", nil)} }, Adopt, ""},
		{"a rule waits for a replacement", func(i *Incident, _ *Facts, _ *Policy) { waits(i) }, Postpone, AwaitsCaller},
		{"found by a refresh", func(i *Incident, _ *Facts, _ *Policy) { i.Source, i.WaitUntil = ByDrift, noon.Add(time.Minute) }, Postpone, AwaitsRecord},
		{"replaced within the wait", func(i *Incident, o *Facts, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			o.Others = []Other{other("fl-new", func(x *Other) { x.LogDestination, x.CreatedBy = "arn:aws:s3:::other", i.Actor.ARN })}
		}, Close, WasReplaced},
		{"AWS says it exists", func(_ *Incident, o *Facts, _ *Policy) { o.AlreadyExists = true }, Requeue, ""},
		{"another call has used its token", func(i *Incident, _ *Facts, _ *Policy) { i.MismatchAt = noon }, Requeue, ""},
		{"flapping", func(_ *Incident, o *Facts, p *Policy) { p.MaxRestores, o.Restores = 1, []Incident{{RestoredAt: noon}} }, PostponeFlapping, HeldBack},
		{"a person asks, whatever speaks against it", func(i *Incident, o *Facts, p *Policy) {
			waits(i)
			i.Requested, o.Released, o.Held, o.Protected, p.AlertOnly = true, true, true, false, true
		}, Create, ""},
		{"nothing speaks against it", func(*Incident, *Facts, *Policy) {}, Create, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, o, p := lost(), facts, policy
			c.change(&i, &o, &p)
			if d := decide(i, o, p, noon); d.Next != c.next || d.Cause != c.cause {
				t.Errorf("%s, because %q; want %s, because %q", d.Next, d.Cause, c.next, c.cause)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		match         bool
	}{
		{"arn:aws:iam::1:role/terraform-*", "arn:aws:iam::1:role/terraform-ci", true},
		{"arn:aws:iam::1:role/terraform-*", "arn:aws:iam::2:role/terraform-ci", false},
		{"arn:aws:iam::1:role/*-ci", "arn:aws:iam::1:role/terraform-ci", true},
		{"arn:aws:iam::1:role/*-ci", "arn:aws:iam::1:role/terraform-cis", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"exact", "exact", true},
		{"exact", "exactly", false},
		{"ab*ab", "ab", false},
	} {
		t.Run(c.pattern+" and "+c.text, func(t *testing.T) {
			t.Parallel()
			if Match(c.pattern, c.text) != c.match {
				t.Errorf("%q matches %q: %v, want %v", c.text, c.pattern, !c.match, c.match)
			}
		})
	}
}
