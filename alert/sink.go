package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Sink is one place that alerts go to.
type Sink interface {
	// Send delivers one alert, within ten seconds or so, and returns nil once the
	// other side has it. Its errors hold no secret and no URL (I11); a *SendError
	// says more about the next try, any other error means: try again.
	Send(ctx context.Context, a Alert) error
}

// SendError is why a sink does not have the alert.
type SendError struct {
	Cause      string        // for people; ends in what to try; no secrets
	Refused    bool          // the other side understood and said no: the same alert will hardly pass later
	RetryAfter time.Duration // the other side's wish; zero: none
}

func (e *SendError) Error() string { return e.Cause }

// sendTimeout bounds one try: whoever takes longer to accept a few kilobytes
// is down.
const sendTimeout = 10 * time.Second

// Direct sends an alert once to every sink, all at the same time, without the
// outbox: the way out when the disk is full (I1). It returns within the time
// of one try; the error joins those of the sinks that failed, each named.
func Direct(ctx context.Context, sinks map[string]Sink, a Alert) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for name, s := range sinks {
		wg.Go(func() {
			if err := s.Send(ctx, a); err != nil {
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
