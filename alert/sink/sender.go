package sink

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
)

// Sender delivers the alerts of one sink from the outbox, in the outbox's order, each at
// least once (I7). One goroutine runs it. Each sink has its own Sender, so that a failing
// sink does not delay the others.
//
// A try waits for two times. The alert's own NextAt is in the outbox, so that it outlives a
// restart. The sink's pause after consecutive failures is only in memory: however many
// alerts wait, a sink that is down is tried once per pause. While the daemon runs, alerts
// are delivered in order, except one that has failed too often (holdTries): it is set
// aside, and tried between the others until it is sent or given up after three days.
//
// The exported fields may be set before Run. Wake and Hurry are safe for concurrent use.
type Sender struct {
	// Now returns the time, Rand a number in [0, 1) for the jitter. By default they are
	// the machine's clock and math/rand/v2; tests set others.
	Now  func() time.Time
	Rand func() float64
	// Others are the senders of the other sinks; nil: none is woken.
	Others Others
	// Tries is called around each try; nil: it is not called.
	Tries Tries

	name   string
	sink   Sink
	outbox Outbox
	log    *slog.Logger
	wake   chan struct{}
	hurry  atomic.Bool // set by Hurry, read and cleared by TryNext

	// Only Run's goroutine uses these.
	failures          int       // consecutive tries that failed, of any alerts
	pausedUntil       time.Time // until then only alerts more urgent than mostUrgentRefused are tried
	mostUrgentRefused int       // urgency of the most urgent alert of these failures, if each was a refusal; 0: no alert passes the pause
	sent              bool      // the sink has taken an alert since the start
	chooser           Chooser
}

// Others are the senders of the other sinks. The sender itself may be among them.
type Others interface {
	// Wake is called when the outbox may have a new alert about this sink for the other sinks. It must not block.
	Wake()
}

// Tries follows the tries of every sink. Several senders call it at the same time.
type Tries interface {
	// Begin is called before each try of the sink called name. ended is called after the try, with nil if the sink
	// has the alert.
	Begin(name string) (ended func(err error))
}

// NewSender returns the sender of the sink called name.
func NewSender(name string, s Sink, o Outbox, log *slog.Logger) *Sender {
	return &Sender{
		name: name, sink: s, outbox: o, log: log.With("sink", name),
		wake: make(chan struct{}, 1), Now: time.Now, Rand: rand.Float64,
	}
}

// Wake makes the sender read the outbox again, which may have new alerts. It never blocks;
// several calls count as one. Without it the sender sleeps until a known delivery is due.
func (s *Sender) Wake() { retry.Wake(s.wake) }

// Hurry is Wake after a person has fixed the sink: the sink is tried at once, even during
// its pause.
func (s *Sender) Hurry() {
	s.hurry.Store(true)
	s.Wake()
}

// Run delivers alerts until ctx ends, and then returns nil. No failure of the sink or the
// outbox ends it. A try that has started when ctx ends gets a few more seconds, because an
// alert that was sent but not recorded would be sent again (I10).
func (s *Sender) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch rest := s.TryNext(ctx); {
		case rest > 0:
			retry.Wait(ctx, rest, s.wake)
		case rest < 0:
			retry.Wait(ctx, retry.Forever, s.wake)
		}
	}
	return nil
}

// TryNext tries the delivery that is due, if there is one, and returns how long to wait before
// the next TryNext: 0 if another delivery may be due now, negative to wait for Wake.
func (s *Sender) TryNext(ctx context.Context) (rest time.Duration) {
	if s.hurry.Swap(false) {
		s.pausedUntil = time.Time{}
	}
	if wait := s.pausedUntil.Sub(s.Now()); wait > 0 && wait <= maxRetryAfter { // longer: the clock has gone back
		if d, ok := s.moreUrgent(ctx); ok {
			s.deliver(ctx, d)
			return 0
		}
		return wait
	}
	var (
		d  Delivery
		ok bool
	)
	s.persist(ctx, "read the outbox", func(ctx context.Context) (err error) {
		d, ok, err = s.outbox.Next(ctx, s.name, s.chooser.Next(s.Now()))
		return err
	})
	switch {
	case ctx.Err() != nil:
		return 0
	case ok:
		s.deliver(ctx, d)
		return 0
	case d.NextAt.IsZero():
		return -1
	}
	return max(0, d.NextAt.Sub(s.Now()))
}

// moreUrgent is a new alert that does not wait for the end of a pause, because it is more
// urgent than all alerts whose refusal caused the pause. So somebody who causes alerts that
// a receiver refuses can't delay the alert about a deletion.
func (s *Sender) moreUrgent(ctx context.Context) (Delivery, bool) {
	if s.mostUrgentRefused <= 0 {
		return Delivery{}, false
	}
	for range 2 { // the outbox may return a delivery chosen by age, but not twice in a row
		d, ok, err := s.outbox.Next(ctx, s.name, s.chooser.Next(s.Now()))
		if err != nil || !ok {
			break
		}
		if d.Attempts == 0 && d.Urgency < s.mostUrgentRefused {
			return d, true
		}
	}
	return Delivery{}, false
}

// deliver tries once and records the result.
func (s *Sender) deliver(ctx context.Context, d Delivery) {
	err := s.try(ctx, d.Alert)
	now := s.Now()
	if err != nil {
		s.failed(ctx, d, err, now)
		return
	}
	recovers := s.failures > 0 || d.Attempts > 0 || !s.sent
	s.failures, s.sent = 0, true
	s.persist(ctx, "record a sent alert", func(ctx context.Context) error {
		return s.outbox.Sent(ctx, s.name, d.Alert.ID, now)
	})
	if recovers && s.Others != nil {
		s.Others.Wake() // they may have an alert that this sink takes alerts again
	}
	if d.Attempts > 0 {
		s.log.Info("alert delivered after retries", "alert", d.Alert.ID, "attempts", d.Attempts+1)
	}
}

// try sends once. It returns nil if the sink has the alert.
func (s *Sender) try(ctx context.Context, a alert.Alert) error {
	ctx, cancel := outlive(ctx, limitOf(s.sink))
	defer cancel()
	ended := func(error) {}
	if s.Tries != nil {
		ended = s.Tries.Begin(s.name)
	}
	err := s.sink.Send(ctx, a)
	if asError(err).Taken {
		s.log.Warn("the sink took an alert, but its answer was unexpected", "alert", a.ID, "error", alert.Clean(err.Error(), alert.MaxField))
		err = nil
	}
	ended(err)
	return err
}

// failed pauses the sink, decides how the delivery goes on, and records that.
func (s *Sender) failed(ctx context.Context, d Delivery, err error, now time.Time) {
	s.pause(asError(err), d.Urgency, now)
	f := failure(d, err, s.pausedUntil, now, s.Rand)
	s.report(d.Alert.ID, f)
	s.persist(ctx, "record a failed alert", func(ctx context.Context) error {
		return s.outbox.Failed(ctx, s.name, d.Alert.ID, f)
	})
	if f.NotifyOthers && s.Others != nil {
		s.Others.Wake()
	}
}

// pause sets the sink's pause after a try that failed.
func (s *Sender) pause(why Error, urgency int, now time.Time) {
	s.failures++
	switch {
	case !why.Refused:
		s.mostUrgentRefused = 0
	case s.failures == 1:
		s.mostUrgentRefused = urgency
	default:
		s.mostUrgentRefused = min(s.mostUrgentRefused, urgency)
	}
	s.pausedUntil = now.Add(max(backoff.Jittered(s.failures-1, s.Rand()), min(why.RetryAfter, maxRetryAfter)))
}

// report logs an alert's first failure, and that it is given up. Failures between these are
// logged at level debug.
func (s *Sender) report(alertID string, f Failure) {
	log := s.log.With("alert", alertID, "attempts", f.Attempts, "error", f.Cause)
	switch {
	case f.Parked:
		log.Error("alert given up: fix the sink, then run `flowkeeper alerts retry " + alertID + "`")
	case f.Attempts == 1:
		log.Warn("alert not delivered: will be tried again", "next", f.NextAt)
	default:
		log.Debug("alert not delivered: will be tried again", "next", f.NextAt)
	}
}

// persist calls fn until it succeeds or ctx ends, but at least once, so that the result of
// a try that ended during shutdown is recorded. It does not give up while the store fails,
// because the sender would send an alert again whose result is not recorded.
func (s *Sender) persist(ctx context.Context, what string, fn func(context.Context) error) {
	for attempt := 1; ; attempt++ {
		once, cancel := outlive(ctx, sendTimeout)
		err := fn(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		if attempt == 1 {
			s.log.Error("cannot "+what+": will be tried again", "error", err)
		}
		retry.Sleep(ctx, backoff.Jittered(attempt-1, s.Rand()))
	}
}

// grace is the time that a running step gets after the order to stop.
const grace = 3 * time.Second

// outlive returns a context that ends after limit, or grace after ctx does.
func outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return out, func() { stop(); cancel() }
}
