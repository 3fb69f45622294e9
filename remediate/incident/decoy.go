package incident

import (
	"slices"
	"time"

	"flowkeeper/inventory"
)

// A decoy is a flow log in the place of a lost one, on its resource and to its destination,
// that does not do the same. Whether AWS allows two there is not known (docs/aws.md, "Creating
// flow logs"): a pair that differs in traffic type may be what somebody wants. So a flow log
// that AWS shows together with a live one is not a decoy. A decoy is
//
//   - what is first seen while the other one is lost: isDecoyOfAny;
//   - what was seen before, but made after the loss: the loss was reported late;
//   - what is first seen after the other one came back, and was made before that;
//   - what AWS names by FlowLogAlreadyExists.
//
// It stays unprotected until AWS shows it together with the flow log in whose place it stood.

// isDecoyOfAny reports whether a flow log that is first seen now stands in the place of one of
// the lost, and does not do the same as any of them.
func isDecoyOfAny(f inventory.FlowLog, lost []Incident) bool {
	decoy := func(i Incident) bool { return i.Known && IsDecoyOf(f.Scope, i.Frozen, f) }
	same := func(i Incident) bool { return wasSame(i, f) }
	return slices.ContainsFunc(lost, decoy) && !slices.ContainsFunc(lost, same)
}

// IsDecoyOf reports whether a flow log delivers from the same resource to the same
// destination as some settings say, and is not equivalent to them.
func IsDecoyOf(s inventory.Scope, settings inventory.Settings, f inventory.FlowLog) bool {
	return inventory.SameTarget(s, settings, f.Settings) && !inventory.Equivalent(s, settings, f)
}

// differs is IsDecoyOf for a row: its status may be unknown, as of one whose create was just
// answered, and says nothing.
func differs(settings inventory.Settings, r inventory.Row) bool {
	return inventory.SameTarget(r.Scope, settings, r.Settings) && !inventory.SameSettings(r.Scope, settings, r.Settings)
}

// isGuarded reports whether a row is protected, and not from a file alone.
func isGuarded(r inventory.Row) bool { return r.Protected && !r.Imported }

// mayPredate reports whether f may have existed before the incident's flow log was lost, whatever a record
// says (I2). Then nobody put it in the lost one's place. A listing may show a deleted flow log for window, so
// that much is subtracted.
func mayPredate(i Incident, f inventory.FlowLog, window time.Duration) bool {
	return !f.CreatedAt.After(i.LastSeenAt.Add(-window))
}

// isLateDecoy reports whether a row is a decoy that the snapshot had before the loss was reported: it was created
// after the loss, or may have been if only a refresh found the loss. A replacement is never one.
func isLateDecoy(i Incident, r inventory.Row, window time.Duration) bool {
	if cameBack := r.IsReplacement() || i.RootID == r.ID; cameBack || !i.Known {
		return false
	}
	mayBeLater := i.DeletedAt.IsZero() || !r.CreatedAt.Before(i.DeletedAt)
	return mayBeLater && !mayPredate(i, r.FlowLog, window) && differs(i.Frozen, r)
}

// inTheWay returns the decoy because of which AWS refuses the create. One that may have existed before the loss
// counts only after AWS has refused for a whole ConsistencyWindow: until then an equal flow log that AWS does not
// show yet may be the reason.
func (s situation) inTheWay() (f Other, ok bool) {
	for _, other := range s.facts.Others {
		if !IsDecoyOf(s.i.Scope, s.i.Frozen, other.FlowLog) {
			continue
		}
		if !mayPredate(s.i, other.FlowLog, s.p.ConsistencyWindow) {
			return other, true
		}
		f, ok = other, s.refusedForLong()
	}
	return f, ok
}

// refusedForLong reports whether AWS has answered FlowLogAlreadyExists for longer than it may hide
// what was made.
func (s situation) refusedForLong() bool {
	return !s.i.ExistsAt.IsZero() && s.observed().Sub(s.i.ExistsAt) >= s.p.ConsistencyWindow
}

// takenFor reports whether a row is a late decoy of a flow log whose loss an observation
// confirms, or an earlier one did.
func (p place) takenFor(row inventory.Row, o Observation) bool {
	return p.mayCountAsDecoy(row) && slices.ContainsFunc(p.lost(), func(i Incident) bool {
		lacked := o.lacks(i.FlowLogID, i.ResourceID) && !o.At.Before(i.OpenedAt)
		isGone := lacked || !i.AbsentAt.IsZero()
		return isGone && i.FlowLogID != row.ID && isLateDecoy(i, row, p.c.Policy.ConsistencyWindow)
	})
}

// mayBeTakenFor is takenFor for a loss that nothing has reported yet: its record, which tells
// which of the two was there first, may come within Policy.ConsistencyWindow after opened. A flow log that is younger than
// AWS's delay may be there though the observation does not show it: it counts for no longer than that.
func (p place) mayBeTakenFor(row inventory.Row, opened time.Time, o Observation) bool {
	return p.mayCountAsDecoy(row) && slices.ContainsFunc(p.live(), func(r inventory.Row) bool {
		isOldEnough := o.At.Sub(r.CreatedAt) >= p.c.Policy.ConsistencyWindow
		recordMayCome := o.At.Before(opened.Add(p.c.Policy.ConsistencyWindow))
		mayBeGone := o.lacks(r.ID, r.ResourceID) && (isOldEnough || recordMayCome)
		if !mayBeGone || r.ID == row.ID || !isGuarded(r) {
			return false
		}
		seen, _ := p.c.Row(r.ID)
		asLost := Incident{Known: true, RootID: r.RootID, Frozen: r.Settings, LastSeenAt: seen.LastSeenAt}
		return isLateDecoy(asLost, row, p.c.Policy.ConsistencyWindow)
	})
}

// precedesReplacement reports whether a flow log that is first seen now was made before what
// came back in its place: while the lost one was lost, as far as is known. A stale listing
// may show it though it is gone.
func (p place) precedesReplacement(f inventory.FlowLog) bool {
	return slices.ContainsFunc(p.live(), func(r inventory.Row) bool {
		cameBack := r.Protected && r.IsReplacement()
		return cameBack && f.CreatedAt.Before(r.CreatedAt) && IsDecoyOf(r.Scope, r.Settings, f)
	})
}

// takesLostPlace reports whether a row does the same as a flow log that is lost: it is its
// replacement, though that may not be recorded yet. Of several decoys that do the same, none is
// the replacement of another (I2).
func (p place) takesLostPlace(row inventory.Row) bool {
	return slices.ContainsFunc(p.lost(), func(i Incident) bool {
		isOther := i.Known && i.FlowLogID != row.ID
		return isOther && inventory.SameSettings(row.Scope, i.Frozen, row.Settings) && !p.wasLateDecoy(i)
	})
}

// wasLateDecoy reports whether what an incident has lost was itself a late decoy of another lost flow log.
func (p place) wasLateDecoy(i Incident) bool {
	row, ok := p.c.Row(i.FlowLogID)
	return ok && slices.ContainsFunc(p.lost(), func(other Incident) bool {
		return other.FlowLogID != row.ID && isLateDecoy(other, row, p.c.Policy.ConsistencyWindow)
	})
}

// unprotectLate makes those flow logs unprotected that are late decoys of a lost one, now
// that an observation has confirmed its loss. Those that are lost themselves are among them.
func (p place) unprotectLate(i Incident) {
	if row, ok := p.c.Row(i.FlowLogID); ok && !row.Protected && !i.Requested {
		return // nothing is restored from it
	}
	for _, id := range p.c.on(p.resource) {
		row := p.c.rows.byID[id] // zero if there is none
		if isGuarded(row) && p.mayCountAsDecoy(row) && isLateDecoy(i, row, p.c.Policy.ConsistencyWindow) {
			p.setProtected(row, false)
		}
	}
}

// unprotect makes a flow log unprotected that AWS has named as in the way of an incident's:
// AWS does not allow both, so that it came after the loss, whatever clocks say.
func (p place) unprotect(f inventory.FlowLog) {
	row, _ := p.c.Row(f.ID)
	cameBack := row.IsReplacement() // then the lost one was its decoy
	if row.Protected && !cameBack && p.mayCountAsDecoy(row) {
		p.setProtected(row, false)
	}
}

// distrust makes a flow log unprotected that stands in the place of a lost one and counted as AWS's
// own doing, as long as no record named another principal as its maker.
func (p place) distrust(row inventory.Row) {
	decoy := func(i Incident) bool {
		if !i.Known || i.FlowLogID == row.ID || !differs(i.Frozen, row) {
			return false
		}
		seenLater := !row.FirstSeenAt.Before(i.OpenedAt)
		return seenLater || isLateDecoy(i, row, p.c.Policy.ConsistencyWindow)
	}
	if row.Protected && !p.takesLostPlace(row) && slices.ContainsFunc(p.lost(), decoy) {
		p.setProtected(row, false)
	}
}

// protect makes those live flow logs on a resource protected that were kept as decoys, and
// are none any more: nothing stands in their place by now, or it did already when the scope
// was last refreshed, so that AWS allows both; or they are known by now to be AWS's own doing.
func (p place) protect() {
	lost, live := mayComeBack(p), p.live()
	for _, r := range live {
		mayBeGone := slices.ContainsFunc(live, func(other inventory.Row) bool {
			return isGuarded(other) && differs(other.Settings, r) && !p.shownTogether(r, other)
		})
		isDecoy := (mayBeGone || isDecoyOfAny(r.FlowLog, lost)) && !p.isAWSs(r)
		if r.KeptAsDecoy() && !isDecoy {
			p.setProtected(r, true)
		}
	}
}

// shownTogether reports whether the last complete refresh shows that two live flow logs are
// there at once. If one had been gone before the other one was made, that refresh would have
// found its loss.
func (p place) shownTogether(a, b inventory.Row) bool {
	refresh := p.c.RefreshedAt
	since := refresh.Add(-p.c.Policy.ConsistencyWindow)
	listed := func(r inventory.Row) bool { return hadToList(p.c, r) || !r.FirstSeenAt.Before(refresh) }
	return listed(a) && listed(b) && !since.Before(Later(a.CreatedAt, b.CreatedAt))
}

// mayCountAsDecoy reports whether a flow log is neither AWS's own doing nor the replacement of
// a lost one: then it is a decoy if it stands in the place of one.
func (p place) mayCountAsDecoy(row inventory.Row) bool {
	return !p.isAWSs(row) && !p.takesLostPlace(row)
}

// isAWSs reports whether the role of CloudWatch's telemetry rules made a flow log: it is no
// decoy.
func (p place) isAWSs(row inventory.Row) bool {
	return p.c.Policy.trustsTelemetry(p.c.Scope.Account, row.CreatedBy)
}

// protectShown makes those flow logs protected that were kept as decoys, and that an
// observation shows beside what they were taken for decoys of: AWS allows both. The other
// one has these settings, and has been there for as long as an observation may show what is
// gone. A flow log to another destination says nothing: what is shown to be there may be gone.
func (p place) protectShown(beside inventory.Settings, shown map[string]inventory.FlowLog) {
	lost := mayComeBack(p)
	for _, row := range p.live() {
		f, isShown := shown[row.ID]
		if !isShown || !row.KeptAsDecoy() || !inventory.SameTarget(row.Scope, beside, row.Settings) {
			continue
		}
		if !isDecoyOfAny(f, lost) {
			p.setProtected(row, true)
		}
	}
}
