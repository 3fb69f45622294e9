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

// mayComeBack are the lost, and the closed incidents that a record may still open again: the flow log
// was released, and the record may say that the release had ended before the deletion (awaitsRecord).
func mayComeBack(p place) []Incident {
	awaits := func(i Incident) bool { return awaitsRecord(i, p.c.Now) }
	return append(p.lost(), p.c.incidentsOn(p.resource, awaits)...)
}

func (p place) setProtected(row inventory.Row, protected bool) {
	row.Protected = protected
	p.c.putRowAndNotice(row)
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

// clearDecoys unblocks the incidents on a resource that were blocked because a flow log counted as a
// decoy: AWS's own role has made it. The next step decides anew, and no alert calls it a decoy.
func (p place) clearDecoys(id string) {
	for _, i := range p.c.pending(p.resource) {
		if i.State == Blocked && i.Reason == Decoy && names(i.LastError, id) {
			i.State, i.Reason, i.Advice, i.Stuck, i.StuckNews, i.NextAttemptAt = Open, "", "", nil, false, p.c.Now
			p.c.Put(i)
		}
	}
}

// ownTagsOf are the tags that CreateTags is to set on a flow log that a Flowkeeper has made. The flow
// log is seen before the create's answer is stored, or before anything reports the loss of the one that
// it replaces. Its row keeps the tags: if it is deleted before it has them, they are restored with it.
func (p place) ownTagsOf(f inventory.FlowLog) map[string]string {
	for _, i := range p.lost() {
		if equalsLost(i, f) {
			return tagsSetLater(i, f)
		}
	}
	for _, r := range p.live() {
		if r.Protected && inventory.Equivalent(p.c.Scope, r.Settings, f) {
			return tagsSetLater(Incident{Frozen: r.Whole()}, f)
		}
	}
	return nil
}

// madeAndLost finds a flow log that an incident's call in doubt has made, and that was lost before the
// answer was stored. If both incidents restored their flow logs, there would be two.
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

// takeAnswer records that a call in doubt has made a flow log that is first seen now: if it is deleted
// at once, its incident is of the same lineage.
func (p place) takeAnswer(f inventory.FlowLog) {
	for _, i := range p.lost() {
		if mayHaveMade(i, f) && equalsLost(i, f) {
			t, _ := p.c.begin(i.FlowLogID)
			t.markAbsent()
			t.takeReplacement(f, foundOurs)
			return
		}
	}
}

// isStale reports whether a flow log that is first seen now is gone already, and the listing is stale:
// see Incident.NothingMadeAt.
func (p place) isStale(f inventory.FlowLog) bool {
	return slices.ContainsFunc(p.c.idsOn(p.resource), func(id string) bool {
		t, ok := p.c.begin(id)
		return ok && madeEarlier(t.Incident, f, p.c.Policy.ConsistencyWindow) && equalsLost(t.Incident, f)
	})
}

// madeEarlier reports whether an earlier call for an incident made a flow log that is gone by now, as a
// later observation has shown. Clocks may differ by half of the consistency window.
func madeEarlier(i Incident, f inventory.FlowLog, window time.Duration) bool {
	return isRestored(f) && f.CreatedAt.Before(i.NothingMadeAt.Add(-window/2))
}
