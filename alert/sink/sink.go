package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"flowkeeper/alert"
)

// Sink is one place that alerts go to.
type Sink interface {
	// Send delivers one alert before ctx ends, and returns nil once the other
	// side has it. Its errors hold no secret and no URL (I11); an *Error says
	// more about the next try, any other error means: try again.
	Send(ctx context.Context, a alert.Alert) error
}

// Error is why a sink does not have the alert.
type Error struct {
	Cause      string        // for people; ends in what to try; no secrets
	Refused    bool          // the other side understood and said no: the same alert will hardly pass later
	RetryAfter time.Duration // the other side's wish; zero: none
	// Taken: the other side answered that it has the alert, but not as one of its
	// kind does. Nothing is sent again after such an answer; Cause says what to check.
	Taken bool

	shorter bool // it may take a shorter form of the same alert
}

func (e *Error) Error() string { return e.Cause }

const (
	// sendTimeout bounds one try: whoever takes longer to accept a few kilobytes
	// is down.
	sendTimeout = 10 * time.Second
	// maxTimeout is the most that a sink may be given instead.
	maxTimeout = time.Minute
)

// WithTimeout returns the sink with a limit of its own for one try.
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

// asError is what an error says about the next try; nothing where it is no *Error.
func asError(err error) Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{}
}

// taken reports whether the other side has the alert, in spite of an error.
func taken(err error) bool { return asError(err).Taken }

// shorter reports whether a shorter form of the same alert may pass at once.
func shorter(err error) bool { return asError(err).shorter }

// sendFitting sends the alert's JSON in at most limit bytes; its compact form, where
// the other side finds fault with that, or finds it too large.
func sendFitting(a alert.Alert, limit int, send func(body string) error) error {
	whole, err := json.Marshal(a.Within(limit))
	if err != nil {
		return fmt.Errorf("encoding the alert: %w", err)
	}
	if err = send(string(whole)); !shorter(err) {
		return err
	}
	small, encoding := json.Marshal(a.Compact())
	if encoding != nil || len(small) >= len(whole) {
		return err
	}
	return send(string(small))
}

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
		errs []error
	)
	for name, s := range sinks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limitOf(s))
			defer cancel()
			if err := s.Send(ctx, a); err != nil && !taken(err) {
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
