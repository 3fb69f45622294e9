package pipeline

import (
	"context"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// Graded is an outage whose alert is high if it is urgent, else medium. Its
// methods are called by one goroutine at a time. The zero value can't be used.
type Graded struct{ High, Medium *Outage }

// NewGraded is the outage of a part of a scope. recovery is as in [New].
func NewGraded(out Outbox, s inventory.Scope, p notify.Part, recovery string) Graded {
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
