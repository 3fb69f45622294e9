package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"flowkeeper/alert"
)

// Sink is one place that alerts go to. It is safe for concurrent use.
type Sink interface {
	// Send delivers one alert, which has been written, before ctx ends, and returns
	// nil once the other side has it. Its errors hold no secret and no URL (I11); an
	// *Error says more about the next try, any other error means: try again.
	Send(ctx context.Context, a alert.Alert) error
}

const (
	// sendTimeout bounds one try: whoever takes longer to accept a few kilobytes
	// is down.
	sendTimeout = 10 * time.Second
	// maxTimeout is the most that a sink may be given instead.
	maxTimeout = time.Minute
)

// WithTimeout returns the sink with a limit of its own for one try, instead of ten
// seconds.
func WithTimeout(s Sink, limit time.Duration) Sink { return limited{s, limit} }

type limited struct {
	Sink
	limit time.Duration
}

func (l limited) Send(ctx context.Context, a alert.Alert) error {
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	return l.Sink.Send(ctx, a)
}

// String is that of the sink within.
func (l limited) String() string { return fmt.Sprint(l.Sink) }

// GoString does so for %#v.
func (l limited) GoString() string { return l.String() }

// limitOf is how long one try of the sink may take.
func limitOf(s Sink) time.Duration {
	if l, ok := s.(limited); ok {
		return l.limit
	}
	return sendTimeout
}

// SendAll sends an alert once to every sink, all at the same time, without the
// outbox: the way out when the disk is full (I1). It returns within the time
// of the slowest one's try; the error joins those of the sinks that failed,
// each named.
func SendAll(ctx context.Context, sinks map[string]Sink, a alert.Alert) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error // guarded by mu
	)
	for name, s := range sinks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limitOf(s))
			defer cancel()
			if err := s.Send(ctx, a); err != nil && !asError(err).Taken {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("sink %s: %w", name, err))
			}
		})
	}
	wg.Wait()
	slices.SortFunc(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return errors.Join(errs...)
}
