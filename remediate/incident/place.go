package incident

import (
	"slices"
	"time"

	"flowkeeper/inventory"
)

// place is a resource of a case, with what is there, and what is to come back.
type place struct {
	c        *Case
	resource string
}

func (c *Case) place(resource string) place { return place{c, resource} }

func (p place) live() []inventory.Row { return p.c.Live(p.resource) }
func (p place) lost() []Incident      { return p.c.Lost(p.resource) }

// mayComeBack are the lost, and those that a record may still open again: what was released and is
// gone, where the record may say that the release had ended before the deletion (awaitsRecord).
func mayComeBack(p place) []Incident {
	awaits := func(i Incident) bool { return awaitsRecord(i, p.c.Now) }
	return append(p.lost(), p.c.incidentsOn(p.resource, awaits)...)
}

func (p place) setProtected(row inventory.Row, protected bool) {
	row.Protected = protected
	p.c.putRow(row)
}

// wakeBlocked makes the blocked incidents on a resource due: something changed there.
func (p place) wakeBlocked() {
	for _, i := range p.c.pending(p.resource) {
		if i.State == Blocked {
			i.NextAttemptAt = p.c.Now
			p.c.Put(i)
		}
	}
}

// clearDecoys unblocks the incidents on a resource that a flow log has blocked as a decoy: AWS's own
// role has made it. The next step decides anew, and no alert calls it a decoy.
func (p place) clearDecoys(id string) {
	for _, i := range p.c.pending(p.resource) {
		if i.State == Blocked && i.Reason == Decoy && names(i.LastError, id) {
			i.State, i.Reason, i.Advice, i.Stuck, i.StuckNews, i.NextAttemptAt = Open, "", "", nil, false, p.c.Now
			p.c.Put(i)
		}
	}
}

// ownTagsOf are the tags that CreateTags sets on a flow log that a Flowkeeper has made, where
// it is seen before the create's answer is stored, or where nothing has reported the loss of
// the one that it replaces: if it is deleted meanwhile, they are restored with it.
func (p place) ownTagsOf(f inventory.FlowLog) map[string]string {
	for _, i := range p.lost() {
		if wasSame(i, f) {
			return tagsApart(i, f)
		}
	}
	for _, r := range p.live() {
		if r.Protected && inventory.Equivalent(p.c.Scope, r.Settings, f) {
			return tagsApart(Incident{Frozen: r.Whole()}, f)
		}
	}
	return nil
}

// madeAndLost finds what an incident's call in doubt has made, where that was lost in turn
// before its answer was stored: with both restored there would be two.
func (p place) madeAndLost(i Incident) (row inventory.Row, lost bool) {
	for _, other := range p.c.pending(p.resource) {
		row, ok := p.c.Row(other.FlowLogID)
		madeSince := ok && isRestored(row.FlowLog) && !row.CreatedAt.Before(i.OpenedAt.Add(-p.c.Policy.ConsistencyWindow))
		if madeSince && other.FlowLogID != i.FlowLogID && inventory.SameSettings(p.c.Scope, i.Frozen, row.Settings) {
			return row, true
		}
	}
	return row, false
}

// takeAnswer records that a flow log that is first seen now is what a call in doubt has made:
// should it be deleted at once, its incident is of the same lineage.
func (p place) takeAnswer(f inventory.FlowLog) {
	for _, i := range p.lost() {
		if mayHaveMade(i, f) && wasSame(i, f) {
			t, _ := p.c.begin(i.FlowLogID)
			t.markAbsent()
			t.markRestored(f, foundOurs)
			return
		}
	}
}

// isStale reports whether a flow log that is first seen was made by a call of which nothing is
// left: see Incident.NothingMadeAt.
func (p place) isStale(f inventory.FlowLog) bool {
	return slices.ContainsFunc(p.c.on(p.resource), func(id string) bool {
		t, ok := p.c.begin(id)
		return ok && madeEarlier(t.Incident, f, p.c.Policy.ConsistencyWindow) && wasSame(t.Incident, f)
	})
}

// madeEarlier reports whether a flow log was made in an incident's place by an earlier call: later
// observations have shown that it is gone by now. Clocks may differ by half of the consistency window.
func madeEarlier(i Incident, f inventory.FlowLog, window time.Duration) bool {
	return isRestored(f) && f.CreatedAt.Before(i.NothingMadeAt.Add(-window/2))
}
