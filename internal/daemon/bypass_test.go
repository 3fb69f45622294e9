package daemon

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// sinkFunc is a sink.
type sinkFunc func(alert.Alert) error

func (f sinkFunc) Send(_ context.Context, a alert.Alert) error { return f(a) }

// TestI1ToldStraightOnce: a message comes again and again while the store
// fails; people hear of it until each sink has it, and no more.
func TestI1ToldStraightOnce(t *testing.T) {
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
		d.bypassOutbox(t.Context(), alert.Alert{ID: "alrt_1"})
		down = sends < 2
	}
	d.bypassOutbox(t.Context(), alert.Alert{ID: "alrt_1"})
	if sends != 3 {
		t.Errorf("%d tries of an alert that the sink took the third time", sends)
	}
	d.bypassOutbox(t.Context(), alert.Alert{ID: "alrt_2"})
	if sends != 4 {
		t.Errorf("%d tries after another alert", sends)
	}
}
