package sink

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

type sinkFunc func(context.Context, alert.Alert) error

func (f sinkFunc) Send(ctx context.Context, a alert.Alert) error { return f(ctx, a) }

// TestI1SendAllReachesEverySink: with a full disk the alert still goes to every sink within
// the time of one try. A sink that hangs or fails does not delay the others.
func TestI1SendAllReachesEverySink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got atomic.Int32
		begin := time.Now()
		err := SendAll(t.Context(), map[string]Sink{
			"hangs": sinkFunc(func(ctx context.Context, _ alert.Alert) error { <-ctx.Done(); return errors.New("hung") }),
			"fails": sinkFunc(func(context.Context, alert.Alert) error { return errors.New("refused") }),
			"a":     sinkFunc(func(context.Context, alert.Alert) error { got.Add(1); return nil }),
			"b":     sinkFunc(func(context.Context, alert.Alert) error { got.Add(1); return nil }),
		}, alerttest.Deletion())
		if got.Load() != 2 || err == nil || err.Error() != "sink fails: refused\nsink hangs: hung" {
			t.Errorf("%d sinks, %v", got.Load(), err)
		}
		if took := time.Since(begin); took > sendTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// TestSendAllKeepsEachSinksLimit: each sink has its own limit, and SendAll waits for a slow
// sink until its limit.
func TestSendAllKeepsEachSinksLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var took [2]time.Duration
		begin := time.Now()
		hang := func(n int) Sink {
			return sinkFunc(func(ctx context.Context, _ alert.Alert) error { <-ctx.Done(); took[n] = time.Since(begin); return nil })
		}
		if err := SendAll(t.Context(), map[string]Sink{"quick": WithTimeout(hang(0), time.Second), "slow": WithTimeout(hang(1), 45*time.Second)}, alerttest.Deletion()); err != nil {
			t.Error(err)
		}
		if took != [2]time.Duration{time.Second, 45 * time.Second} {
			t.Error(took)
		}
	})
}
