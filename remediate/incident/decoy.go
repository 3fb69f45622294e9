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
//   - one that is first seen while the other one is lost: isDecoyOfAny;
//   - one that was seen before, but made after the loss, which was reported late: isLateDecoy;
//   - one that is first seen after the other one came back, and was made before that: precedesReplacement;
//   - one because of which AWS answers FlowLogAlreadyExists: situation.decoyInTheWay.
//
// It stays unprotected until AWS shows it together with the flow log in whose place it stood.

// isDecoyOfAny reports whether a flow log that is first seen now stands in the place of one of
// the lost, and does not do the same as any of them.
func isDecoyOfAny(f inventory.FlowLog, lost []Incident) bool {
	decoy := func(i Incident) bool { return i.Known && IsDecoyOf(f.Scope, i.Frozen, f) }
	same := func(i Incident) bool { return equalsLost(i, f) }
	return slices.ContainsFunc(lost, decoy) && !slices.ContainsFunc(lost, same)
}

// IsDecoyOf reports whether a flow log delivers from the same resource to the same
// destination as some settings say, and is not equivalent to them.
func IsDecoyOf(s inventory.Scope, settings inventory.Settings, f inventory.FlowLog) bool {
	return inventory.SameTarget(s, settings, f.Settings) && !inventory.Equivalent(s, settings, f)
}

// differs is IsDecoyOf for a row. It ignores the row's status, which AWS need not have shown: the
// row may be of a create that was just answered.
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

// decoyInTheWay returns the decoy because of which AWS refuses the create. One that may have existed before the loss
// counts only after AWS has refused for a whole ConsistencyWindow: until then an equal flow log that AWS does not
// show yet may be the reason.
func (s situation) decoyInTheWay() (f Other, ok bool) {
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

// isConfirmedDecoy reports whether a row is a late decoy of a flow log whose loss this or an earlier
// observation confirms.
func (p place) isConfirmedDecoy(row inventory.Row, o Observation) bool {
	return p.mayCountAsDecoy(row) && slices.ContainsFunc(p.lost(), func(i Incident) bool {
		lacked := o.lacks(i.FlowLogID, i.ResourceID) && !o.At.Before(i.OpenedAt)
		isGone := lacked || !i.AbsentAt.IsZero()
		return isGone && i.FlowLogID != row.ID && isLateDecoy(i, row, p.c.Policy.ConsistencyWindow)
	})
}

// mayBeDecoy is isConfirmedDecoy for a loss that nothing has reported yet. The record of that loss, which tells
// which of the two was there first, may come within Policy.ConsistencyWindow after opened. A flow log younger than
// ConsistencyWindow may be there though the observation does not show it: it counts as lost only within that time.
func (p place) mayBeDecoy(row inventory.Row, opened time.Time, o Observation) bool {
	return p.mayCountAsDecoy(row) && slices.ContainsFunc(p.live(), func(r inventory.Row) bool {
		isOldEnough := o.At.Sub(r.CreatedAt) >= p.c.Policy.ConsistencyWindow
		recordMayCome := o.At.Before(opened.Add(p.c.Policy.ConsistencyWindow))
		mayBeGone := o.lacks(r.ID, r.ResourceID) && (isOldEnough || recordMayCome)
		if !mayBeGone || r.ID == row.ID || !isGuarded(r) {
			return false
		}
		seen, _ := p.c.Row(r.ID) // the LastSeenAt of live() may be too early
		asLost := Incident{Known: true, RootID: r.RootID, Frozen: r.Settings, LastSeenAt: seen.LastSeenAt}
		return isLateDecoy(asLost, row, p.c.Policy.ConsistencyWindow)
	})
}

// precedesReplacement reports whether a flow log that is first seen now differs from a replacement,
// and was made before it: so it was made while the lost one was gone, as far as is known. A stale
// listing may show it though it is gone.
func (p place) precedesReplacement(f inventory.FlowLog) bool {
	return slices.ContainsFunc(p.live(), func(r inventory.Row) bool {
		cameBack := r.Protected && r.IsReplacement()
		return cameBack && f.CreatedAt.Before(r.CreatedAt) && IsDecoyOf(r.Scope, r.Settings, f)
	})
}

// takesLostPlace reports whether a row does the same as a flow log that is lost: the row is its
// replacement, though that may not be recorded yet. If several decoys do the same, and one is lost,
// none is the replacement of another (I2).
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

// unprotectLate makes the late decoys of a lost flow log unprotected, now that an observation has
// confirmed its loss. A late decoy that is lost itself becomes unprotected, too.
func (p place) unprotectLate(i Incident) {
	if row, ok := p.c.Row(i.FlowLogID); ok && !row.Protected && !i.Requested {
		return // nothing is restored from it
	}
	for _, id := range p.c.idsOn(p.resource) {
		row := p.c.rows.byID[id] // zero if there is none
		if isGuarded(row) && p.mayCountAsDecoy(row) && isLateDecoy(i, row, p.c.Policy.ConsistencyWindow) {
			p.setProtected(row, false)
		}
	}
}

// unprotect makes a flow log unprotected because of which AWS refuses to create the lost one again:
// AWS does not allow both, so it came after the loss, whatever the clocks say.
func (p place) unprotect(f inventory.FlowLog) {
	row, _ := p.c.Row(f.ID)
	cameBack := row.IsReplacement() // then the lost one was its decoy
	if row.Protected && !cameBack && p.mayCountAsDecoy(row) {
		p.setProtected(row, false)
	}
}

// distrust makes a flow log unprotected if it stands in the place of a lost one. It counted as made by
// AWS's telemetry rules until a record named another principal as its maker.
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

// protect makes live flow logs on a resource protected that were kept as decoys and are none any more.
// Either they are in the place of no lost flow log, and the last complete refresh showed them together
// with the live ones from which they differ, so AWS allows both. Or CloudWatch's telemetry rules made them.
func (p place) protect() {
	lost, live := mayComeBack(p), p.live()
	for _, r := range live {
		mayBeGone := slices.ContainsFunc(live, func(other inventory.Row) bool {
			return isGuarded(other) && differs(other.Settings, r) && !p.shownTogether(r, other)
		})
		isDecoy := (mayBeGone || isDecoyOfAny(r.FlowLog, lost)) && !p.madeByTelemetry(r)
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

// mayCountAsDecoy reports whether a flow log is neither made by CloudWatch's telemetry rules nor the
// replacement of a lost one: then it is a decoy if it stands in the place of a lost one.
func (p place) mayCountAsDecoy(row inventory.Row) bool {
	return !p.madeByTelemetry(row) && !p.takesLostPlace(row)
}

// madeByTelemetry reports whether the role of CloudWatch's telemetry rules made a flow log, and no
// rule of the configuration restores what that role deletes: such a flow log is no decoy.
func (p place) madeByTelemetry(row inventory.Row) bool {
	return p.c.Policy.trustsTelemetry(p.c.Scope.Account, row.CreatedBy)
}

// protectShown makes flow logs protected that were kept as decoys, and that an observation shows
// together with the flow log in whose place they seemed to stand: AWS allows both. other are the
// settings of that one, which has been there for so long that no observation shows a flow log that
// was gone before. A flow log to another destination is no decoy of it, and may be gone by now.
func (p place) protectShown(other inventory.Settings, shown map[string]inventory.FlowLog) {
	lost := mayComeBack(p)
	for _, row := range p.live() {
		f, isShown := shown[row.ID]
		if !isShown || !row.KeptAsDecoy() || !inventory.SameTarget(row.Scope, other, row.Settings) {
			continue
		}
		if !isDecoyOfAny(f, lost) {
			p.setProtected(row, true)
		}
	}
}
