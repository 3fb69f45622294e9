package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	names := slices.Sorted(maps.Keys(sinks))
	errs := make([]error, len(names)) // each goroutine writes its own
	var wg sync.WaitGroup
	for n, name := range names {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limitOf(sinks[name]))
			defer cancel()
			if err := sinks[name].Send(ctx, a); err != nil && !asError(err).Taken {
				errs[n] = fmt.Errorf("sink %s: %w", name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sendWhole sends the JSON of an alert's whole form. Where the other side finds fault
// with that, or finds it too large, the compact form follows at once, if it is shorter.
func (l label) sendWhole(ctx context.Context, whole any, compact func() any, send func(ctx context.Context, body []byte) error) error {
	body, err := json.Marshal(whole)
	if err != nil {
		return l.failed("the alert cannot be encoded")
	}
	if err = send(ctx, body); !asError(err).shorter {
		return err
	}
	small, encoding := json.Marshal(compact())
	if encoding != nil || len(small) >= len(body) {
		return err
	}
	return send(ctx, small)
}
