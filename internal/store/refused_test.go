package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// picky is a sink that refuses alerts of attempts, as a web application firewall in front of a sink may because of the
// attacker's user agent in them.
type picky struct{ got []string }

func (p *picky) Send(_ context.Context, a alert.Alert) error {
	p.got = append(p.got, a.ID)
	if a.Kind == alert.Attempt {
		return &sink.Error{Cause: "answered 403 Forbidden", Refused: true}
	}
	return nil
}

// TestI7RefusedAttemptsHoldUpNoDeletion: a sink refuses the alerts about one principal, and
// the sender pauses for minutes. More urgent alerts are sent during the pause.
func TestI7RefusedAttemptsHoldUpNoDeletion(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	flood := make([]alert.Alert, 40)
	for n := range flood {
		flood[n] = alert.Alert{ID: fmt.Sprintf("attempt-%02d", n), Kind: alert.Attempt, Level: alert.Critical}
	}
	addAll(t, s, *now, flood...)
	receiver := &picky{}
	sender := sink.NewSender("pager", receiver, s, slog.New(slog.DiscardHandler))
	sender.Now, sender.Rand = func() time.Time { return *now }, func() float64 { return 1 }
	pause := time.Duration(0)
	for range 40 {
		if pause = sender.TryNext(t.Context()); pause > 0 {
			*now = now.Add(pause)
		}
	}
	if pause = sender.TryNext(t.Context()); pause < time.Minute {
		pause = sender.TryNext(t.Context())
	}
	if pause < time.Minute {
		t.Fatalf("the sender pauses for %s, want a minute at least", pause)
	}
	addAll(t, s, *now, alert.Alert{ID: "deletion", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs})
	before := len(receiver.got)
	for sender.TryNext(t.Context()) == 0 {
		if len(receiver.got) > before+2 {
			break
		}
	}
	if got := receiver.got[before:]; !slices.Contains(got, "deletion") {
		t.Errorf("sent during the pause: %q, want the deletion", got)
	}
}
