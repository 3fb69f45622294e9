package pipeline

import (
	"cmp"
	"context"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// Outbox stores and sends the alerts. It is safe for concurrent use.
type Outbox interface {
	// OwesEnd reports whether the end of an outage is still to be alerted of.
	OwesEnd(context.Context, inventory.Scope, alert.Part) (bool, error)
	// Add adds an alert of an outage, and writes the note in the same commit; nil: nothing. OwesEnd goes
	// by the last note.
	Add(ctx context.Context, a alert.Alert, note *notify.OutageNote) error
	// Bypass sends an alert that could not be added.
	Bypass(context.Context, alert.Alert)
}

// Outage is an outage of a part. One alert reports the outage, and another one its end. The
// state file remembers the first, so that the next daemon can add the second. Note and
// Failures are safe for concurrent use; the other methods are called by one goroutine at a time.
type Outage struct {
	outage.Outage
	out      Outbox
	scope    inventory.Scope
	part     alert.Part
	level    alert.Level // of the alert about it
	recovery string      // the text of the alert about its end; empty: there is none

	alerted    bool // there was an alert about this outage
	endPending bool // the alert about the end of an earlier outage could not be stored
	endStored  bool // no end is left to be alerted of; false at the start, because an earlier daemon may have alerted
}

// New is the outage of a part of a scope, whose alert is high. recovery is the text of the alert about its
// end; empty: there is none.
func New(out Outbox, s inventory.Scope, p alert.Part, recovery string) *Outage {
	return &Outage{out: out, scope: s, part: p, level: alert.High, recovery: recovery}
}

// Alert adds the alert about the outage to the outbox, unless there was one, and remembers
// it in the same commit. If that fails, it sends the alert directly.
func (o *Outage) Alert(ctx context.Context, text string) {
	if !o.alerted {
		o.AlertIn(ctx, o.scope.Region, text)
	}
}

// AlertIn alerts even if there was an alert already, because the outage affects more now. region is set
// if exactly one Region of an account is affected.
func (o *Outage) AlertIn(ctx context.Context, region, text string) {
	o.alerted, o.endStored = true, false
	a := NewAlert(o.scope, o.part, o.level, text)
	a.Region = region
	a.Write()
	if err := o.add(ctx, a); err != nil {
		o.out.Bypass(ctx, a)
	}
}

// add adds an alert of the outage. If there is an alert about the end, the note says whether that is still owed.
func (o *Outage) add(ctx context.Context, a alert.Alert) error {
	if o.recovery == "" {
		return o.out.Add(ctx, a, nil)
	}
	return o.out.Add(ctx, a, notify.OutageAfter(o.scope, o.part, []alert.Alert{a}))
}

// WasAlerted reports whether there was an alert about this outage, by this daemon or by one
// before it.
func (o *Outage) WasAlerted(ctx context.Context) bool {
	if !o.alerted && !o.endStored {
		before, err := o.out.OwesEnd(ctx, o.scope, o.part)
		o.alerted = err == nil && before
	}
	return o.alerted
}

// Ended reports whether no end is left to be alerted of, by this daemon or for one before it.
func (o *Outage) Ended() bool { return o.endStored }

// End notes that the part works, and adds the alert about the end of the outage to the outbox, if there was one about
// the outage. It is called each time the part works, so that an alert that could not be stored is added later. The
// alert is never sent directly, because it can wait.
func (o *Outage) End(ctx context.Context) {
	o.Note(nil)
	if o.endStored {
		return
	}
	o.endPending, o.alerted = o.endPending || o.alerted, false // the next outage has an alert, even if this end can't be stored
	owes, err := o.out.OwesEnd(ctx, o.scope, o.part)
	if err == nil && (owes || o.endPending) {
		err = o.add(ctx, o.endAlert())
	}
	if err == nil {
		o.endPending, o.endStored = false, true
	}
}

// endAs is End with another text of the alert about the end.
func (o *Outage) endAs(ctx context.Context, recovery string) {
	o.recovery = recovery
	o.End(ctx)
}

// endAlert goes to the sinks that the alert about the outage went to.
func (o *Outage) endAlert() alert.Alert {
	a := NewAlert(o.scope, o.part, alert.Informational, o.recovery)
	a.RouteLevel = o.level
	return a
}

// NewAlert is an alert that a part of a scope fails, with the advice for that part. At the level
// informational it says that the part works again, and has no advice.
func NewAlert(s inventory.Scope, p alert.Part, level alert.Level, text string) alert.Alert {
	now := time.Now()
	a := notify.OutageAlert(s, p, level, text, now)
	a.ID = alert.ID("pipeline", s.String(), string(p), text, now.Format(time.RFC3339))
	if !a.Resolves() {
		whole := strings.TrimSuffix(string(p), " medium")
		kind, _, _ := strings.Cut(whole, " ")
		a.Advice = cmp.Or(advice[alert.Part(whole)], advice[alert.Part(kind)])
	}
	a.Write()
	return a
}

// Graded is an outage whose alert is high if it is urgent, else medium. Its
// methods are called by one goroutine at a time. The zero value can't be used.
type Graded struct{ High, Medium *Outage }

// NewGraded is the outage of a part of a scope. recovery is as in [New].
func NewGraded(out Outbox, s inventory.Scope, p alert.Part, recovery string) Graded {
	g := Graded{New(out, s, p, recovery), New(out, s, p+" medium", recovery)}
	g.Medium.level = alert.Medium
	return g
}

// Alerted reports whether this daemon has alerted of the outage.
func (g Graded) Alerted() bool { return g.High.alerted || g.Medium.alerted }

// AlertOnce adds the alert, unless this daemon or one before it has.
func (g Graded) AlertOnce(ctx context.Context, urgent bool, text string) {
	switch {
	case g.before(ctx) != "":
	case urgent:
		g.High.Alert(ctx, text)
	default:
		g.Medium.Alert(ctx, text)
	}
}

// End is [Outage.End] of both levels.
func (g Graded) End(ctx context.Context) {
	g.High.End(ctx)
	g.Medium.End(ctx)
}

// ended reports whether no end is left to be alerted of.
func (g Graded) ended() bool { return g.High.endStored && g.Medium.endStored }

// before returns the level of the gravest alert that there was about this outage; empty: none.
func (g Graded) before(ctx context.Context) alert.Level {
	switch {
	case g.High.WasAlerted(ctx):
		return alert.High
	case g.Medium.WasAlerted(ctx):
		return alert.Medium
	}
	return ""
}
