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

// TestI1SentDirectlyOnce: while the store fails, a message is received again and again. Its
// alert is sent until each sink has taken it, and not again after that.
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
		t.Errorf("%d tries of an alert that the sink took the third time", sends)
	}
	alertSenders{d}.Bypass(t.Context(), alert.Alert{ID: "alrt_2"})
	if sends != 4 {
		t.Errorf("%d tries after another alert", sends)
	}
}
