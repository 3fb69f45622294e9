package tamper

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// Handler alerts of tampering. It is safe for concurrent use.
type Handler struct {
	Store  Store
	Policy incident.Policy
	// Dependencies are what Flowkeeper needs beside what the snapshot names; nil:
	// nothing.
	Dependencies func() []Dependency
	Now          func() time.Time
	// Wake is called after commits that may have put alerts into the outbox.
	Wake func()
	// Direct sends an alert past the outbox, for when the store fails (I1).
	Direct func(ctx context.Context, a alert.Alert)
}

// Handle alerts of calls that change what flow logs or Flowkeeper depend on. It returns
// nil once the alerts are on disk; otherwise they have been sent past the outbox (I1), with
// a beat after each: sinks may be slow. It says nothing of others: an account deletes log groups all day.
// A record's scope need not be a configured one: IAM's are in one Region, and a
// bucket may be another account's.
func (h *Handler) Handle(ctx context.Context, fs []detection.Finding, beat func()) error {
	now := h.Now()
	fs, alerts, err := h.alerts(ctx, fs, now)
	for n := 0; err == nil && n < len(fs); n += callsAtOnce {
		end := min(n+callsAtOnce, len(fs))
		err = h.Store.Update(ctx, func(tx Tx) error {
			for k, a := range alerts[n:end] {
				var err error
				if a.Recent, err = repeat.RecordCall(tx, fs[n+k], 0, now); err != nil {
					return err
				}
				c := repeat.CallOf(repeat.Tampering, fs[n+k], a, 0, false)
				c.What, c.Example.Target = fs[n+k].Record.EventName+" "+a.Target, a.Target
				if by := fs[n+k].Record.Identity.InvokedBy; by != "" {
					c.Who += " by " + by
				}
				if _, err := repeat.AlertOrHold(tx, a, c, now); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		h.Wake()
		return nil
	}
	for n, a := range alerts { // I1
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(a.Actor)+" "+fs[n].Record.Identity.InvokedBy, now)
		h.Direct(ctx, notify.NotStored(a))
		beat()
	}
	return fmt.Errorf("record what was done to what flow logs depend on: %w", err)
}

// callsAtOnce bounds what one commit holds: deletions wait for it.
const callsAtOnce = 50

// alerts are the alerts about those calls that matter here, and these
// calls. What a thing is to us is asked once for all of a message.
func (h *Handler) alerts(ctx context.Context, fs []detection.Finding, now time.Time) (matter []detection.Finding, alerts []alert.Alert, err error) {
	var beside []Dependency
	if h.Dependencies != nil {
		beside = h.Dependencies()
	}
	known := map[string]Impact{}
	err = h.Store.View(ctx, func(tx Tx) error {
		for _, f := range fs {
			if !Harmful(f.Record) {
				continue
			}
			target := TargetOf(f.Record)
			thing := target
			if Unstated(f.Record) {
				thing = fmt.Sprint(placeOf(f.Record))
			}
			t, asked := known[thing]
			if !asked {
				if t, err = ImpactOf(tx, f.Record, beside); err != nil {
					return err
				}
				known[thing] = t
			}
			if len(t.Uses) > 0 {
				matter, alerts = append(matter, f), append(alerts, h.alert(f, target, t, now))
			}
		}
		return nil
	})
	return matter, alerts, err
}
