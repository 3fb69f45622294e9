package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// world is the part of a state file that is about one resource. One case after another changes it. What AWS shows and
// answers is random, and may contradict what it showed and answered before.
type world struct {
	t         *rapid.T
	now       time.Time
	policy    Policy
	rows      map[string]inventory.Row
	incidents map[string]Incident
	applied   map[string]bool // records, by flow log, event ID and claim
	made      int             // how many flow logs creates have made
	last      Observation     // that was drawn last
}

func newWorld(t *rapid.T) *world {
	p := policy
	p.DriftWait = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "drift wait")
	p.MaxRestores = rapid.IntRange(0, 2).Draw(t, "most restores")
	p.AlertOnly = rapid.Bool().Draw(t, "mode alert") && rapid.Bool().Draw(t, "really")
	return &world{t: t, now: noon, policy: p, rows: map[string]inventory.Row{}, incidents: map[string]Incident{}, applied: map[string]bool{}}
}

// load returns a case with all rows and incidents.
func (w *world) load() *Case {
	c := given()
	c.Now, c.Policy = w.now, w.policy
	c.Load(slices.Collect(maps.Values(w.rows)), slices.Collect(maps.Values(w.incidents)))
	return c
}

// id draws the flow log that a change is about: one that others made, or one that a create has made.
func (w *world) id() string { return rapid.SampledFrom(w.ids()).Draw(w.t, "flow log") }

func (w *world) ids() []string {
	ids := []string{"fl-1", "fl-2", "fl-3"}
	for n := range w.made {
		ids = append(ids, fmt.Sprint("fl-made-", n+1))
	}
	return ids
}

// shown is a flow log as AWS shows it: always with the same settings.
func (w *world) shown(id string) inventory.FlowLog {
	if row, ok := w.rows[id]; ok {
		f := row.FlowLog
		f.Status = "ACTIVE"
		return f
	}
	f := flowLog(id)
	f.CreatedAt = w.now
	switch id {
	case "fl-2":
		rejects(&f)
	case "fl-3":
		elsewhere(&f)
	}
	return f
}

func (w *world) observation() Observation {
	o := Observation{At: w.now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
	for _, id := range w.ids() {
		if rapid.IntRange(0, 3).Draw(w.t, "shows "+id) == 0 {
			o.FlowLogs[id] = w.shown(id)
		}
	}
	if rapid.IntRange(0, 9).Draw(w.t, "old") == 0 {
		o.At = w.now.Add(-5 * time.Minute)
	}
	w.last = o
	return o
}

// record applies a record, and then the same record again. Package remediate marks the second one as applied, because
// the history has the first: it must change nothing.
func (w *world) record(c *Case, id string) string {
	rec := Record{EventID: rapid.SampledFrom([]string{"e-1", "e-2", "e-3"}).Draw(w.t, "event"), Time: w.now.Add(-time.Second),
		Actor:    alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"},
		Rule:     Rule{Action: rapid.SampledFrom([]Action{Ignore, Alert, Wait, Restore, Restore}).Draw(w.t, "rule"), Wait: time.Minute},
		Addendum: rapid.Bool().Draw(w.t, "addendum"), NamedBefore: rapid.Bool().Draw(w.t, "named before")}
	claim := id + rec.EventID + ClaimOf(&rec.Actor, rec.Time)
	rec.Applied = w.applied[claim]
	c.ApplyRecord(id, rec)
	w.applied[claim] = true
	rec.Applied = true
	once, _ := c.Incident(id)
	history := c.Effects.History
	if n := c.ApplyRecord(id, rec); n.News {
		w.t.Fatalf("I4: the same record of %s is news again", id)
	}
	again, _ := c.Incident(id)
	if differences(once, again) != "" || len(c.Effects.History) != len(history) {
		w.t.Fatalf("I4: the same record changes %s again: %s", id, differences(once, again))
	}
	return "record"
}

func (w *world) answer(c *Case, id string) string {
	i := w.incidents[id]
	if d := c.decideAfter(i, w.observation()); !i.Pending() || d.Next != Create {
		return "no create"
	}
	a := Answer{Class: rapid.SampledFrom([]Class{Succeeded, Succeeded, TryAgain, RoleSlow, NeedsPerson, ResourceAbsent, AlreadyThere, TokenMismatch, TagRefused}).Draw(w.t, "answer"),
		Reason: rapid.SampledFrom([]Reason{Permission, Role}).Draw(w.t, "reason"), Message: "AWS's words"}
	if a.Class == Succeeded {
		w.made++
		a.ID = fmt.Sprint("fl-made-", w.made)
	}
	c.ApplyAnswer(id, a, w.observation(), 0.5)
	return "answer"
}

// change does one random thing to a case, as package remediate does: it respects the contracts of the methods.
func (w *world) change(c *Case) string {
	id := w.id()
	switch rapid.IntRange(0, 15).Draw(w.t, "change") {
	case 0, 1:
		return w.record(c, id)
	case 2, 3:
		return w.answer(c, id)
	case 4, 5:
		c.applyObservation(id, w.observation())
		return "observation"
	case 6:
		c.Policy.DriftAlerts = rapid.Bool().Draw(w.t, "drift alerts")
		c.ApplyDrift(id, "drift-1", nil)
		return "drift"
	case 7, 8:
		c.Rows().ApplyFound(w.shown(id), DestinationFacts{New: rapid.Bool().Draw(w.t, "new destination"), Trusted: true}, w.now)
		c.Rows().Relearn(id) // which follows every refresh
		return "found"
	case 9:
		c.verify(id, w.observation())
		return "verify"
	case 10:
		c.applyFailure(id, Answer{Class: rapid.SampledFrom([]Class{TryAgain, NeedsPerson, ResourceAbsent, RoleSlow}).Draw(w.t, "failure"), Reason: Credentials, Message: "AWS's words"}, 0.5)
		return "failure"
	case 11:
		_ = c.ByHand().Request(id, c.Now) // an error changes nothing
		return "request"
	case 12:
		if r, ok := c.Row(id); ok && r.State == inventory.Gone { // a live one gets a release instead
			c.ByHand().CloseReleased(id, "an operator released it")
		}
		return "close released"
	case 13:
		c.unschedule(id)
		return "finish"
	case 14:
		c.Rows().Created(id, "arn:aws:iam::111122223333:user/mallory")
		return "created"
	default:
		c.TornDown("vpc-1")
		return "torn down"
	}
}

// step applies one change, saves it, and checks what must always hold.
func (w *world) step() {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, 3 * time.Minute, time.Hour}).Draw(w.t, "pause"))
	before := *w
	before.rows, before.incidents = maps.Clone(w.rows), maps.Clone(w.incidents)
	c := w.load()
	what := w.change(c)
	rows, incidents := c.Changes()
	for _, r := range rows {
		w.rows[r.ID] = r
	}
	for _, i := range incidents {
		w.incidents[i.FlowLogID] = i
	}
	for _, r := range rows {
		w.checkRow(what, before, r)
	}
	for _, i := range incidents {
		w.checkIncident(what, before, i, c.Effects)
	}
	for id := range w.incidents {
		w.checkLineage(id)
	}
	for _, id := range w.ids() {
		if i := w.incidents[id]; i.OwesStuckAlert() && rapid.Bool().Draw(w.t, "alerted of "+id) {
			i.StuckNews, i.StuckAlertedAt = false, w.now
			w.incidents[id] = i
		}
	}
}

func (w *world) checkRow(what string, before world, r inventory.Row) {
	was, known := before.rows[r.ID]
	i, found := w.incidents[r.ID]
	if known && was.State == inventory.Gone && r.State == inventory.Live && !was.Imported && !(found && i.State == Closed && i.Reason == StillThere) {
		w.t.Fatalf("I5: %s makes %s live again: %s", what, r.ID, standing(i.State, i.Reason))
	}
	exempt := found && i.closedAs(Exempt)
	if known && was.Protected && !r.Protected && !w.tookThePlace(r) && !(exempt && w.tookALivingPlace(r)) {
		w.t.Fatalf("I6: after %s, %s is not protected any more", what, r.ID)
	}
	if known && was.Excuses != "" && r.Excuses != was.Excuses {
		w.t.Fatalf("I2: after %s, %s excuses %s, and %s before", what, r.ID, r.Excuses, was.Excuses)
	}
	if r.State == inventory.Live && found && i.Known && !i.countsRecord() {
		w.t.Fatalf("I2: after %s, %s is live, and no record of its deletion counts: %s", what, r.ID, standing(i.State, i.Reason))
	}
	if r.DecoyNotice != nil && !r.KeptAsDecoy() {
		w.t.Fatalf("after %s, %s is no decoy, but has the notice of a decoy", what, r.ID)
	}
	knows := known && was.LiveDecoy() && was.DecoyNotice == nil
	named := func(i Incident) bool { return alertNamed(i, r.ID) }
	if r.LiveDecoy() && r.DecoyNotice == nil && !knows && !slices.ContainsFunc(w.load().pending(r.ResourceID), named) {
		w.t.Fatalf("after %s, no alert is to say that %s is not protected", what, r.ID)
	}
	if (r.State == inventory.Gone) == r.GoneAt.IsZero() {
		w.t.Fatalf("after %s, %s is %s since %s", what, r.ID, r.State, r.GoneAt)
	}
}

// tookThePlace reports whether a flow log may have been made in the place of a lost one, and is not equivalent to it.
func (w *world) tookThePlace(r inventory.Row) bool {
	for _, i := range w.incidents {
		if i.Known && i.RootID != r.RootID && !mayPredate(i, r.FlowLog, w.policy.ConsistencyWindow) && IsDecoyOf(scope, i.Frozen, r.FlowLog) {
			return true
		}
	}
	return false
}

// tookALivingPlace reports whether a flow log may have been made in the place of one that is live in the snapshot, but
// that the last observation lacks although AWS must show it by now. Nothing has reported
// that loss within ConsistencyWindow after the incident of r was opened.
func (w *world) tookALivingPlace(r inventory.Row) bool {
	reported := w.incidents[r.ID].OpenedAt.Add(w.policy.ConsistencyWindow)
	for _, other := range w.rows {
		asLost := Incident{LastSeenAt: other.LastSeenAt}
		_, shown := w.last.FlowLogs[other.ID]
		unseen := !shown && w.last.At.Sub(other.CreatedAt) >= w.policy.ConsistencyWindow && !w.now.Before(reported)
		if unseen && other.State == inventory.Live && other.RootID != r.RootID && !mayPredate(asLost, r.FlowLog, w.policy.ConsistencyWindow) && IsDecoyOf(scope, other.Settings, r.FlowLog) {
			return true
		}
	}
	return false
}

func (w *world) checkIncident(what string, before world, i Incident, effects Effects) {
	was, found := before.incidents[i.FlowLogID]
	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Fatalf("after %s, %s (%s) %s\n%+v", what, i.FlowLogID, standing(i.State, i.Reason), fmt.Sprintf(format, args...), i)
	}
	if (i.Pending() || i.State == Restored) && i.NextAttemptAt.IsZero() {
		fail("is never tried again")
	}
	if i.State == Restored || i.State == Verified {
		if row, ok := w.rows[i.NewID]; !ok || !row.Protected && !w.tookThePlace(row) || row.RootID != i.RootID {
			fail("I6: its replacement %q is not protected: %+v", i.NewID, row)
		}
		if i.RestoredAt.IsZero() || i.RestoredAt.After(w.now) {
			fail("was restored at %s", i.RestoredAt)
		}
	}
	if i.Pending() && i.NewID != "" {
		fail("has a replacement, %s", i.NewID)
	}
	if i.State == Blocked && (i.Reason == "" || i.Stuck == nil || !i.StuckNews && i.StuckAlertedAt.IsZero()) {
		fail("I9: no alert is to say why it is blocked")
	}
	if found && i.EventID == was.EventID && i.OpenedAt.Equal(was.OpenedAt) && i.Action < was.Action {
		fail("I2: has a weaker action than before")
	}
	if found && i.Generation < was.Generation {
		fail("I4: has a token that was used before")
	}
	if i.Known {
		if want := w.shown(i.FlowLogID).Settings; len(inventory.Differences(scope, want, i.Frozen)) != 0 {
			fail("I2: would be restored as AWS never showed it: %v", inventory.Differences(scope, want, i.Frozen))
		}
	}
	opened := i.Pending() && found && was.Terminal()
	if opened && what != "record" && what != "drift" && !slices.ContainsFunc(effects.Notes, func(n Note) bool {
		return n.Incident.FlowLogID == i.FlowLogID && (n.Kind == NoteReopened || n.Kind == NoteRequested)
	}) {
		fail("is open again, but no note reopens its event")
	}
	if (i.State != was.State || i.Reason != was.Reason) && !slices.ContainsFunc(effects.History, func(h HistoryLine) bool {
		return h.FlowLogID == i.FlowLogID && h.Entry.State == i.State
	}) {
		fail("was %s, and its history does not say what it is now", standing(was.State, was.Reason))
	}
}

// checkLineage follows the replacements of a flow log. The chain must end at a flow log that counts as there, or at an
// incident that is open or blocked; it must not be a circle.
func (w *world) checkLineage(id string) {
	path := []string{id}
	for {
		i, ok := w.incidents[id]
		if !ok || i.Pending() || i.NewID == "" {
			return
		}
		id = i.NewID
		if slices.Contains(path, id) {
			w.t.Fatalf("I4: the lineage is a circle: %s", strings.Join(append(path, id), ", "))
		}
		path = append(path, id)
	}
}

// TestWhatAlwaysHoldsOfACase: whatever happens, and in whatever order, each change keeps the invariants of rows and
// incidents.
func TestWhatAlwaysHoldsOfACase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			w.step()
		}
	})
}
