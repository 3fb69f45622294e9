package incident

import (
	"maps"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestSupersede: the replacement that AWS answers was lost itself meanwhile, or AWS shows a replacement that counted as
// lost. Then the incident of the replacement goes on, and the first incident is closed.
func TestSupersede(t *testing.T) {
	t.Parallel()
	created := answer(Answer{Class: Succeeded, ID: "fl-2"})
	exists := answer(Answer{Class: AlreadyThere, Message: "exists"}, made("fl-2"))
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	longAgo := func(r *inventory.Row) { r.GoneAt = noon.Add(-time.Hour) }
	tried := func(i *Incident) { i.AbsentAt, i.Tried, i.StuckAlertedAt = noon, 4, noon }
	replaced := func(newID string, adopted bool) func(*Incident) {
		return func(i *Incident) { i.NewID, i.Adopted, i.RootID = newID, adopted, "fl-0" }
	}
	play(t, []scenario{
		{"I4: its own incident goes on", given(gone("fl-1"), pending("fl-1", absentBefore), gone("fl-2"), pending("fl-2")), created, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-2
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"I4: a record named it before the snapshot had it", given(gone("fl-1"), pending("fl-1", tried), pending("fl-2", unknown)), created, `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-2: RootID=fl-1 ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s OpenedAt=now NextAttemptAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=5 Attempts=1 NewID=fl-2
			history fl-2 open: its replacement was lost in turn (e-1)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: a record named it, and it was closed as never seen", given(gone("fl-1"), pending("fl-1", tried), closed("fl-2", Unknown, unknown)), created, `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-2 reopened: RootID=fl-1 ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=5 Attempts=1 NewID=fl-2
			history fl-2 open: its replacement was lost in turn (e-1)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: a refresh found it gone, and opened no incident", given(gone("fl-1"), pending("fl-1", tried), gone("fl-2")), created, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 Action=restore Tried=5 MissingSince=-1m0s StuckAlertedAt=-1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=5 Attempts=1 NewID=fl-2
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: AWS showed it alive before", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), closed("fl-2", StillThere)), created, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"I4: AWS shows it alive, and it counted as lost", given(gone("fl-1"), pending("fl-1", absentBefore), gone("fl-2", longAgo), back("fl-2", "fl-3")), exists, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-2 reopened:
			fl-1: State=closed Reason=superseded Advice="AWS shows its replacement, which counted…" NextAttemptAt=never Tried=1 Attempts=1 LastError=exists NewID=fl-2
			history fl-2 open: AWS shows its replacement, which counted as lost (e-1)
			logged fl-1 closed/superseded: AWS shows its replacement, which counted as lost: see fl-2
			note reopened fl-2
			note overdue fl-2`},
		{"I4: it was lost, and another flow log has replaced it", given(gone("fl-1"), pending("fl-1", absentBefore), gone("fl-2"), back("fl-2", "fl-3")), created, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-2
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"I4: its lineage leads back to the lost flow log, because fl-3 adopted that", given(gone("fl-1"), pending("fl-1", absentBefore), gone("fl-2"), back("fl-2", "fl-3", replaced("fl-3", false)),
			gone("fl-3"), closed("fl-3", Superseded, replaced("fl-1", true))), created, `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-3 reopened:
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-2
			history fl-3 open: what it adopted was lost before: fl-1 (e-1)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note reopened fl-3
			note overdue fl-3`},
	})
}

// TestI2AReplacementLostInTurnComesBackWithItsOwnTags: it does not get the tags of the flow log that it replaced.
func TestI2AReplacementLostInTurnComesBackWithItsOwnTags(t *testing.T) {
	t.Parallel()
	replacement := func(own map[string]string, kv ...string) inventory.Row {
		return live("fl-2", func(r *inventory.Row) { r.RootID, r.Tags, r.OwnTags = "fl-1", tagMap(kv...), own })
	}
	replaced := back("fl-1", "fl-2", tags("env", "1"), func(i *Incident) { i.RestoredAt = now.Add(-policy.ConsistencyWindow) })
	adopted := replaced
	adopted.Adopted = true
	for _, c := range []struct {
		name string
		c    *Case
		want map[string]string
	}{
		{"somebody else made it", given(gone("fl-1"), replacement(nil, "env", "0"), adopted), tagMap("env", "0")},
		{"a person changed its tags", given(gone("fl-1"), replacement(nil, RestoredFrom, "fl-1", "env", "0"), replaced), tagMap("env", "0")},
		{"a call for several made it, and CreateTags has not set its own tags yet", given(gone("fl-1"), replacement(tagMap("env", "1"), RestoredFrom, "e-1"), replaced), tagMap("env", "1")},
		{"the snapshot has no row of it", given(gone("fl-1"), replaced), tagMap("env", "1")},
		{"only an imported file has a row of it", given(gone("fl-1"), replacement(nil, "env", "0"), func(c *Case) {
			row, _ := c.Row("fl-2")
			row.Imported = true
			c.Load([]inventory.Row{row}, nil)
		}, replaced), tagMap("env", "1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.c.verify("fl-1", seen())
			if next, _ := c.c.Incident("fl-2"); !next.Pending() || !maps.Equal(ownTags(next.Frozen.Tags), c.want) {
				t.Errorf("fl-2 is %s, to come back with the tags %v, not %v", next.State, next.Frozen.Tags, c.want)
			}
		})
	}
}

// TestI6AReplacementThatAFileHas: an imported file has a row of the replacement, with other settings. What AWS answers
// or shows of the replacement counts, not the file. So the next record of its deletion counts, too.
func TestI6AReplacementThatAFileHas(t *testing.T) {
	t.Parallel()
	ofFile := live("fl-2", imported, does(elsewhere), func(r *inventory.Row) { r.CreatedAt = noon })
	for _, c := range []struct {
		name string
		do   func(*Case) string
	}{
		{"created", answer(Answer{Class: Succeeded, ID: "fl-2"})},
		{"adopted", observe(made("fl-2"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			is := given(gone("fl-1"), pending("fl-1"), ofFile)
			c.do(is)
			if row, _ := is.Row("fl-2"); row.Imported || !inventory.SameSettings(scope, row.Settings, wanted) {
				t.Errorf("its row is imported (%v), and differs in %v", row.Imported, inventory.Differences(scope, wanted, row.Settings))
			}
			if n := is.ApplyRecord("fl-2", Record{EventID: "e-2", Time: now, Rule: Rule{Action: Restore}}); !n.Incident.Known || !inventory.SameSettings(scope, n.Incident.Frozen, wanted) {
				t.Errorf("the incident of its loss has frozen %+v, want %+v", n.Incident.Frozen, wanted)
			}
		})
	}
}

// TestI2AForgedRecordExcusesNoLaterLoss: a record named a replacement that AWS showed alive. If the replacement is lost
// later, and nothing reports that loss, neither the principal nor the time of the earlier record counts.
func TestI2AForgedRecordExcusesNoLaterLoss(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		forged func(*Incident)
		row    func(*inventory.Row)
	}{
		"the record is of a principal whom a rule ignores":                 {asked(Ignore), func(*inventory.Row) {}},
		"the record is of a principal whose deletions a rule only reports": {asked(Alert), func(*inventory.Row) {}},
		"the record is of a time during a release":                         {func(i *Incident) { i.DeletedAt = noon }, released},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replacement := live("fl-2", is.row, func(r *inventory.Row) { r.RootID, r.Tags = "fl-1", tagMap("env", "1") })
			c := given(gone("fl-1"), replacement, back("fl-1", "fl-2", func(i *Incident) { i.RestoredAt, i.Confirmed = now.Add(-policy.ConsistencyWindow), true }),
				closed("fl-2", StillThere, is.forged))
			c.verify("fl-1", seen())
			i, _ := c.Incident("fl-2")
			if d := c.decideAfter(i, seen()); !i.Pending() || d.Next != Create || i.Actor != nil || i.Frozen.Tags["env"] != "1" {
				t.Errorf("%s: %s %s, by %v, with the tags %v", i.State, d.Next, d.Advice, i.Actor, i.Frozen.Tags)
			}
		})
	}
}

// TestI2AHandedOnLossMakesNoDecoyOfWhatWasBeside: until the last refresh, hours after a replacement was made, AWS
// showed it together with another flow log. When the replacement is lost, the other one does not count as its decoy.
func TestI2AHandedOnLossMakesNoDecoyOfWhatWasBeside(t *testing.T) {
	t.Parallel()
	madeAt := func(at time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) { r.CreatedAt, r.FirstSeenAt, r.LastSeenAt, r.WrittenAt = at, at, at, at }
	}
	for name, reported := range map[string]func(*Case){
		"nothing has reported the loss": func(*Case) {},
		"a record named it before the refresh": func(c *Case) {
			c.Load(nil, []Incident{closed("fl-2", StillThere, func(i *Incident) { i.LastSeenAt = noon.Add(-20 * time.Hour) })})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := given(gone("fl-1"), reported,
				live("fl-2", madeAt(noon.Add(-20*time.Hour)), func(r *inventory.Row) { r.RootID = "fl-1" }),
				back("fl-1", "fl-2", func(i *Incident) { i.RestoredAt, i.Confirmed, i.Reason = noon.Add(-20*time.Hour), true, NotDelivering }),
				live("fl-3", madeAt(noon.Add(-10*time.Hour)), does(rejects)))
			c.RefreshedAt = noon.Add(-time.Hour)
			beside := flowLog("fl-3", rejects)
			c.verify("fl-1", seen(beside))
			c.applyObservation("fl-2", seen(beside))
			next, _ := c.Incident("fl-2")
			if row, _ := c.Row("fl-3"); !row.Protected || !next.LastSeenAt.Equal(c.RefreshedAt) || next.RootID != "fl-1" {
				t.Errorf("fl-3 is protected: %v; fl-2, of the lineage of %s, was seen at %s", row.Protected, next.RootID, next.LastSeenAt)
			}
		})
	}
}

// TestAHandedOnLossKeepsItsTurn: a flow log to a late destination is restored after others. That holds for its
// replacement, too, if that is lost in turn.
func TestAHandedOnLossKeepsItsTurn(t *testing.T) {
	t.Parallel()
	c := given(gone("fl-1"), live("fl-2"), back("fl-1", "fl-2", func(i *Incident) { i.RestoredAt, i.LateDestination = now.Add(-policy.ConsistencyWindow), true }))
	c.verify("fl-1", seen())
	if next, _ := c.Incident("fl-2"); !next.Pending() || !next.LateDestination {
		t.Errorf("fl-2 is %s, with a late destination: %v", next.State, next.LateDestination)
	}
}

// TestI4ARefusalEndsNoHandedOnDoubt: an incident gets a call in doubt from another one, while its own call is under
// way. If AWS refuses its own call, the other call stays in doubt.
func TestI4ARefusalEndsNoHandedOnDoubt(t *testing.T) {
	t.Parallel()
	c := given(gone("fl-1"), gone("fl-2", func(r *inventory.Row) { r.RootID = "fl-1" }))
	next := pending("fl-2", alone)
	next.Call = &SentCall{Token: c.Policy.TokenKey.Token(next), At: now.Add(-time.Second)}
	handedOn := now.Add(-2 * time.Second)
	c.Put(next, pending("fl-1", alone, func(i *Incident) { i.Call = &SentCall{Token: "T", At: handedOn} }))
	before, _ := c.begin("fl-1")
	before.handOnCall("fl-2")
	c.ApplyAnswer("fl-2", Answer{Class: TryAgain, NoEffect: true, Throttled: true, Message: "RequestLimitExceeded"}, Observation{}, 0)
	i, _ := c.Incident("fl-2")
	if i.Call == nil || !i.Call.Final || !i.Call.At.Equal(handedOn) {
		t.Errorf("the call in doubt is %+v", i.Call)
	}
}
