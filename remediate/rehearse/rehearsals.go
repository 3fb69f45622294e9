package rehearse

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// Rehearsal is what AWS last said to a dry run of restores with the same target. The
// state file has it as JSON.
type Rehearsal struct {
	Scope   inventory.Scope
	Target  delivery.Target `json:"Needs"`
	At      time.Time
	Reason  incident.Reason // that a blocked incident would have; empty: AWS would allow the restore
	Advice  string
	Message string // AWS's own words
}

// Allowed reports whether AWS would allow the restores.
func (r Rehearsal) Allowed() bool { return r.Reason == "" }

// rehearsals are those of one round, by target.
type rehearsals map[delivery.Target]Rehearsal

func (v rehearsals) add(s inventory.Scope, t delivery.Target, a incident.Answer, at time.Time) {
	v[t] = Rehearsal{Scope: s, Target: t, At: at, Reason: a.Reason, Advice: a.Advice, Message: a.Message}
}

// result counts them.
func (v rehearsals) result() Result {
	c := Result{Tried: len(v)}
	for _, x := range v {
		if !x.Allowed() {
			c.Refused++
		}
	}
	return c
}

// since compares a round with earlier rehearsals. refused are the refusals that are new, or have another
// reason than before. mended are the earlier refusals of targets that are allowed now.
func (v rehearsals) since(before []Rehearsal) (refused, mended rehearsals) {
	refused, mended = rehearsals{}, rehearsals{}
	last := rehearsals{}
	for _, old := range before {
		last[old.Target] = old
	}
	for t, x := range v {
		old, known := last[t]
		switch {
		case known && x.Reason == old.Reason:
		case !x.Allowed():
			refused[t] = x
		case known:
			mended[t] = old
		}
	}
	return refused, mended
}
