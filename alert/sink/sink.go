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

// Sink delivers alerts to one receiver. It is safe for concurrent use.
type Sink interface {
	// Send delivers one alert, after Alert.Write, before ctx ends. It returns nil when
	// the receiver has the alert. Its errors contain no secret and no URL (I11). An
	// *Error says more about the next try; any other error means: try again.
	Send(ctx context.Context, a alert.Alert) error
}

const (
	// sendTimeout limits one try: a receiver that needs longer to accept a few kilobytes
	// counts as down.
	sendTimeout = 10 * time.Second
	// maxTimeout is the longest timeout that a sink can have instead.
	maxTimeout = time.Minute
)

// WithTimeout returns the sink with another limit for one try than the usual ten seconds.
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

// String is the name of the wrapped sink.
func (l limited) String() string { return fmt.Sprint(l.Sink) }

// GoString is String, for %#v.
func (l limited) GoString() string { return l.String() }

// limitOf is the limit of one try of the sink.
func limitOf(s Sink) time.Duration {
	if l, ok := s.(limited); ok {
		return l.limit
	}
	return sendTimeout
}

// SendAll sends an alert once to every sink, to all at the same time and without the
// outbox, for example when the disk is full (I1). It returns when the slowest try has
// ended. The error joins those of the sinks that failed, each with the name of its sink.
func SendAll(ctx context.Context, sinks map[string]Sink, a alert.Alert) error {
	names := slices.Sorted(maps.Keys(sinks))
	errs := make([]error, len(names)) // each goroutine writes its own element
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

// sendWhole sends the JSON of an alert's whole form. If the receiver refuses that as invalid
// or too large, sendWhole sends the compact form at once, if that is shorter.
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
