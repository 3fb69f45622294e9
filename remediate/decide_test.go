package remediate

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy = Policy{Settle: 2 * time.Minute, VerifyAfter: 10 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute}
	wanted = inventory.Settings{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", LogFormat: "${version}", MaxAggregationInterval: 600}
)

func incident() Incident {
	return Incident{Scope: scope, FlowLogID: "fl-lost", RootID: "fl-lost", ResourceID: "vpc-1", State: Open, Known: true, Action: Restore, Frozen: wanted,
		Source: ByEvent, DeletedAt: noon.Add(-time.Second), OpenedAt: noon, Actor: &alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"}}
}

func here(id string, fn func(*inventory.FlowLog)) inventory.FlowLog {
	f := inventory.FlowLog{ID: id, Scope: scope, Settings: wanted, Status: "ACTIVE", CreatedAt: noon}
	if fn != nil {
		fn(&f)
	}
	return f
}

func TestDecide(t *testing.T) {
	t.Parallel()
	known := sight{row: true, guarded: true, listed: true, adoptive: func(string) bool { return true }, creator: func(string) string { return "" }, excuses: func(string) bool { return true }}
	decoy := here("fl-decoy", func(f *inventory.FlowLog) { f.TrafficType = "REJECT" })
	for _, c := range []struct {
		name   string
		change func(*Incident, *sight, *Policy)
		deed   deed
		reason string
		at     time.Duration // after noon
	}{
		{"absent: create", nil, creating, "", 0},
		{"I2: shown alive", func(_ *Incident, s *sight, _ *Policy) { s.alive = true }, again, "", time.Second},
		{"alive for a while", func(i *Incident, s *sight, _ *Policy) {
			s.alive, i.Looks, i.AliveSince = true, 3, noon.Add(-10*time.Second)
		}, again, "", 8 * time.Second},
		{"alive near the end of settle", func(i *Incident, s *sight, _ *Policy) {
			s.alive, i.Looks, i.AliveSince = true, 9, noon.Add(-110*time.Second)
		}, again, "", 10 * time.Second},
		{"alive for settle", func(i *Incident, s *sight, _ *Policy) { s.alive, i.AliveSince = true, noon.Add(-2*time.Minute) }, closing, StillThere, 0},
		{"alive, even if a rule excuses it", func(i *Incident, s *sight, _ *Policy) { s.alive, i.Action = true, Ignore }, again, "", time.Second},
		{"never seen, before the first refresh", func(i *Incident, s *sight, _ *Policy) { i.Known, s.row, s.listed = false, false, false }, again, "", 15 * time.Second},
		{"never seen", func(i *Incident, s *sight, _ *Policy) { i.Known, s.row = false, false }, closing, Unknown, 0},
		{"released", func(_ *Incident, s *sight, _ *Policy) { s.released = true }, closing, Released, 0},
		{"released, but a person asks", func(i *Incident, s *sight, _ *Policy) { s.released, i.Requested = true, true }, creating, "", 0},
		{"released, and too young for every look", func(_ *Incident, s *sight, _ *Policy) { s.released, s.made = true, noon.Add(-time.Minute) }, hold, "", time.Minute},
		{"released, and old enough", func(_ *Incident, s *sight, _ *Policy) { s.released, s.made = true, noon.Add(-2*time.Minute) }, closing, Released, 0},
		{"released, and made when the clock was ahead", func(_ *Incident, s *sight, _ *Policy) { s.released, s.made = true, noon.Add(time.Hour) }, closing, Released, 0},
		{"not protected", func(_ *Incident, s *sight, _ *Policy) { s.guarded = false }, closing, Exempt, 0},
		{"ignored", func(i *Incident, _ *sight, _ *Policy) { i.Action = Ignore }, closing, Exempt, 0},
		{"alert only", func(i *Incident, _ *sight, _ *Policy) { i.Action = Alert }, closing, AlertOnly, 0},
		{"mode alert", func(_ *Incident, _ *sight, p *Policy) { p.AlertOnly = true }, closing, AlertOnly, 0},
		{"waiting", func(i *Incident, _ *sight, _ *Policy) { i.Action, i.WaitUntil = Wait, noon.Add(time.Minute) }, hold, "", time.Minute},
		{"waited", func(i *Incident, _ *sight, _ *Policy) { i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute }, creating, "", 0},
		{"replaced within the wait", func(i *Incident, s *sight, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			s.others = []inventory.FlowLog{here("fl-new", func(f *inventory.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })}
			s.creator = func(string) string { return i.Actor.ARN }
		}, closing, Replaced, 0},
		{"replaced by what excuses another loss, or delivers to a new place", func(i *Incident, s *sight, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			s.others = []inventory.FlowLog{here("fl-new", func(f *inventory.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })}
			s.creator, s.excuses = func(string) string { return i.Actor.ARN }, func(string) bool { return false }
		}, creating, "", 0},
		{"drift, and an equivalent is there within the wait", func(i *Incident, s *sight, _ *Policy) {
			i.Source, i.WaitUntil, s.others = ByDrift, noon.Add(time.Minute), []inventory.FlowLog{here("fl-new", nil)}
		}, adopting, "", 0},
		{"drift, and nothing is there within the wait", func(i *Incident, _ *sight, _ *Policy) { i.Source, i.WaitUntil = ByDrift, noon.Add(time.Minute) }, hold, "", time.Minute},
		{"replaced by somebody else", func(i *Incident, s *sight, _ *Policy) {
			i.Action, i.WaitUntil, i.Waited = Wait, noon, time.Minute
			s.others = []inventory.FlowLog{here("fl-new", func(f *inventory.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })}
			s.creator = func(string) string { return "arn:aws:iam::111122223333:user/else" }
		}, creating, "", 0},
		{"I3: an equivalent is there", func(_ *Incident, s *sight, _ *Policy) { s.others = []inventory.FlowLog{here("fl-new", nil)} }, adopting, "", 0},
		{"I3: an equivalent that is lost itself", func(_ *Incident, s *sight, _ *Policy) {
			s.others, s.adoptive = []inventory.FlowLog{here("fl-new", nil)}, func(string) bool { return false }
		}, creating, "", 0},
		{"I3: a decoy does not stop the attempt", func(_ *Incident, s *sight, _ *Policy) { s.others = []inventory.FlowLog{decoy} }, creating, "", 0},
		{"AWS says it exists: a decoy", func(_ *Incident, s *sight, _ *Policy) { s.others, s.asked = []inventory.FlowLog{decoy}, true }, decoyed, "", 0},
		{"AWS says it exists, nothing is there", func(_ *Incident, s *sight, _ *Policy) { s.asked = true }, again, "", 2 * time.Second},
		{"AWS says it exists: it does the same, and counts as lost", func(_ *Incident, s *sight, _ *Policy) {
			s.others, s.asked, s.adoptive = []inventory.FlowLog{here("fl-new", nil)}, true, func(string) bool { return false }
		}, again, "", 2 * time.Second},
		{"AWS says so again and again", func(i *Incident, s *sight, _ *Policy) { s.asked, i.Attempts = true, 30 }, again, "", 16 * time.Second},
		{"a token mismatch, just now", func(i *Incident, _ *sight, _ *Policy) { i.MismatchAt = noon }, again, "", 5 * time.Second},
		{"a token mismatch, settle ago", func(i *Incident, _ *sight, _ *Policy) { i.MismatchAt = noon.Add(-2 * time.Minute) }, nextToken, "", 0},
		{"flapping", func(_ *Incident, s *sight, _ *Policy) {
			for n := range 5 {
				s.restores = append(s.restores, Incident{RestoredAt: noon.Add(-time.Duration(n) * time.Minute)})
			}
		}, flap, "", 10 * time.Minute},
		{"flapping, the interval has passed", func(_ *Incident, s *sight, _ *Policy) {
			for n := range 5 {
				s.restores = append(s.restores, Incident{RestoredAt: noon.Add(-time.Duration(n+10) * time.Minute)})
			}
		}, creating, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, s, p := incident(), known, policy
			if c.change != nil {
				c.change(&i, &s, &p)
			}
			v := decide(i, s, p, noon)
			if v.deed != c.deed || v.reason != c.reason {
				t.Fatalf("verdict %+v, want deed %d, reason %q", v, c.deed, c.reason)
			}
			if c.at != 0 && !v.at.Equal(noon.Add(c.at)) {
				t.Errorf("again %s after noon, want %s", v.at.Sub(noon), c.at)
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
		if Match(c.pattern, c.text) != c.match {
			t.Errorf("%q and %q: %v", c.pattern, c.text, !c.match)
		}
	}
}

// TestI2ARecordOnlyTightens: whatever a second record says, the action of an
// incident never becomes looser.
func TestI2ARecordOnlyTightens(t *testing.T) {
	t.Parallel()
	for _, was := range []Action{Ignore, Alert, Wait, Restore} {
		for _, says := range []Action{Ignore, Alert, Wait, Restore} {
			i := incident()
			i.Action, i.EventID = was, "first"
			got := i.hear(Rule{Action: says, Wait: time.Minute}, finding("second"), alert.Actor{}, false, noon)
			if got.Action != max(was, says) {
				t.Errorf("%d, then %d: %d", was, says, got.Action)
			}
			if got.EventID != "first" {
				t.Error("a later record took the incident over")
			}
		}
	}
}

func TestReopening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason   string
		was      Action
		modeOnly bool
		says     Action
		reopens  bool
	}{
		{StillThere, Restore, false, Restore, true},
		{Exempt, Ignore, false, Ignore, false},
		{Exempt, Ignore, false, Restore, true},
		{AlertOnly, Alert, false, Restore, true},
		{AlertOnly, Alert, false, Alert, false},
		{AlertOnly, Restore, true, Restore, false},
		{ResourceGone, Restore, false, Restore, false},
		{Released, Restore, false, Restore, false},
		{Superseded, Restore, false, Restore, false},
		{Replaced, Wait, false, Restore, false},
	} {
		i := incident()
		i.State, i.Reason, i.Action, i.ModeOnly = Closed, c.reason, c.was, c.modeOnly
		got := i.hear(Rule{Action: c.says}, finding("other"), alert.Actor{}, false, noon)
		if (got.State == Open) != c.reopens {
			t.Errorf("closed %s (action %d, mode %v), then a record that asks for %d: %s", c.reason, c.was, c.modeOnly, c.says, got.State)
		}
	}
}

// TestReopenedAnew: what a person asked for, or the mode decided, holds for
// one loss, not for the next of the same flow log.
func TestReopenedAnew(t *testing.T) {
	t.Parallel()
	i := incident()
	i.State, i.Reason, i.ModeOnly = Closed, AlertOnly, true
	i = i.reopen(noon) // flowkeeper restore, after the mode was changed
	i.Requested = true
	i.State, i.Reason = Closed, StillThere
	i = i.hear(Rule{Action: Restore}, finding("other"), alert.Actor{}, false, noon)
	if i.State != Open || i.Requested {
		t.Errorf("a later record: %s, requested %t", i.State, i.Requested)
	}
}
