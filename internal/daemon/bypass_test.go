package daemon

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

type sinkFunc func(alert.Alert) error

func (f sinkFunc) Send(_ context.Context, a alert.Alert) error { return f(a) }

// TestI1SentDirectlyOnce: while the state file can't be written, SQS delivers a message again and again. Each delivery
// sends its alert directly to the sinks that have not taken it yet, and to no other.
func TestI1SentDirectlyOnce(t *testing.T) {
	t.Parallel()
	sends, down := 0, true
	pager := sinkFunc(func(alert.Alert) error {
		sends++
		if down {
			return errors.New("down")
		}
		return nil
	})
	d := &Daemon{Log: slog.New(slog.DiscardHandler), storeHealth: &storeHealth{}, sinks: map[string]sink.Sink{"pager": pager}}
	for range 3 {
		alertSenders{d}.Bypass(t.Context(), alert.Alert{ID: "alrt_1"})
		down = sends < 2
	}
	alertSenders{d}.Bypass(t.Context(), alert.Alert{ID: "alrt_1"})
	if sends != 3 {
		t.Errorf("the alert was sent %d times, want 3: the sink took the third", sends)
	}
	alertSenders{d}.Bypass(t.Context(), alert.Alert{ID: "alrt_2"})
	if sends != 4 {
		t.Errorf("alerts were sent %d times after another alert, want 4", sends)
	}
}
