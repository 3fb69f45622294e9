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

// Sender delivers one sink's alerts from the outbox, in the outbox's order, at least
// once each (I7). One goroutine runs it; a sink that fails holds up no other, as
// every sink has its own.
//
// A try waits for two times. The alert's own NextAt is in the outbox, so that a restart
// forgets nothing. The sink's pause, after failures in a row, is only here: however many
// alerts wait, a sink that is down is tried once a pause. Order is kept while the daemon
// runs, but for an alert that failed too often (holdTries): it is set aside and tried
// between the others until it is sent or three days old.
//
// The exported fields are set before Run, if at all. Wake and Hurry are safe for
// concurrent use.
type Sender struct {
	// Now and Rand are the time and, in [0, 1), the jitter: the machine's clock and
	// math/rand/v2, unless a test sets others.
	Now  func() time.Time
	Rand func() float64
	// WakeOthers, if set, is called after the outbox may have got an alert about this
	// sink for the others.
	WakeOthers func()
	// Sending, if set, is called before each try, and done after it, with nil where the
	// sink has the alert.
	Sending func() (done func(err error))

	name   string
	sink   Sink
	outbox Outbox
	log    *slog.Logger
	wake   chan struct{}
	hurry  atomic.Bool

	// Of Run's goroutine alone.
	failures          int       // tries in a row that failed, of whichever alert
	pausedUntil       time.Time // nothing is tried before, but what is more urgent than mostUrgentRefused
	mostUrgentRefused int       // urgency of the most urgent of these failures, where each was a refusal; 0: nothing is more urgent
	sent              bool      // the sink has taken an alert since the start
}

// NewSender returns the sender of the sink called name.
func NewSender(name string, s Sink, o Outbox, log *slog.Logger) *Sender {
	return &Sender{
		name: name, sink: s, outbox: o, log: log.With("sink", name),
		wake: make(chan struct{}, 1), Now: time.Now, Rand: rand.Float64,
	}
}

// Wake says that the outbox may have something new. It never blocks; many
// calls count as one. Without it the sender sleeps until something known is due.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Hurry is Wake for when a person has mended the sink: it is tried at once,
// whatever it asked for before.
func (s *Sender) Hurry() {
	s.hurry.Store(true)
	s.Wake()
}

// Run delivers until ctx ends, and returns nil then. A try that is under way
// at that moment may take a few seconds more, as an alert sent but not
// recorded would be sent again (I10). It survives every failure of sink and
// outbox.
func (s *Sender) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch rest := s.Step(ctx); {
		case rest > 0:
			retry.Wait(ctx, rest, s.wake)
		case rest < 0:
			retry.Wait(ctx, retry.Forever, s.wake)
		}
	}
	return nil
}

// Step tries the delivery that is due, if there is one, and returns how long
// nothing else is: 0 if something may be, negative if nothing is until Wake.
func (s *Sender) Step(ctx context.Context) (rest time.Duration) {
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
		d, ok, err = s.outbox.Next(ctx, s.name, s.Now())
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

// moreUrgent is a new alert that does not wait for the end of a pause, as it is more
// urgent than all that the sink has refused before it. The pause is for their sake:
// somebody who can cause alerts that a receiver refuses must not delay that of a
// deletion.
func (s *Sender) moreUrgent(ctx context.Context) (Delivery, bool) {
	if s.mostUrgentRefused <= 0 {
		return Delivery{}, false
	}
	for range 2 { // the outbox may hand out an old one first, but not twice
		d, ok, err := s.outbox.Next(ctx, s.name, s.Now())
		if err != nil || !ok {
			break
		}
		if d.Attempts == 0 && d.Urgency < s.mostUrgentRefused {
			return d, true
		}
	}
	return Delivery{}, false
}

// deliver tries once and records how it went.
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
	if recovers && s.WakeOthers != nil {
		s.WakeOthers() // that it takes alerts again
	}
	if d.Attempts > 0 {
		s.log.Info("alert delivered after retries", "alert", d.Alert.ID, "attempts", d.Attempts+1)
	}
}

// try sends once. It returns nil if the sink has the alert.
func (s *Sender) try(ctx context.Context, a alert.Alert) error {
	ctx, cancel := outlive(ctx, limitOf(s.sink))
	defer cancel()
	done := func(error) {}
	if s.Sending != nil {
		done = s.Sending()
	}
	err := s.sink.Send(ctx, a)
	if asError(err).Taken {
		s.log.Warn("the sink has an alert, but answers oddly", "alert", a.ID, "error", alert.Clean(err.Error(), alert.MaxField))
		err = nil
	}
	done(err)
	return err
}

// failed slows down the sink, decides about the alert, and records that.
func (s *Sender) failed(ctx context.Context, d Delivery, err error, now time.Time) {
	s.pause(asError(err), d.Urgency, now)
	f := failure(d, err, s.pausedUntil, now, s.Rand)
	s.report(d.Alert.ID, f)
	s.persist(ctx, "record a failed alert", func(ctx context.Context) error {
		return s.outbox.Failed(ctx, s.name, d.Alert.ID, f)
	})
	if f.TellOthers && s.WakeOthers != nil {
		s.WakeOthers()
	}
}

// pause slows down the sink after a try that failed.
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

// report logs an alert's first failure and its end; what is between is noise
// at any level but debug.
func (s *Sender) report(alertID string, f Failure) {
	log := s.log.With("alert", alertID, "attempts", f.Attempts, "error", f.Cause)
	switch {
	case f.Parked:
		log.Error("alert given up: mend the sink, then run `flowkeeper alerts retry " + alertID + "`")
	case f.Attempts == 1:
		log.Warn("alert not delivered: will be tried again", "next", f.NextAt)
	default:
		log.Debug("alert not delivered: will be tried again", "next", f.NextAt)
	}
}

// persist calls fn until it succeeds or ctx ends; even then once, so that a
// try that ended during shutdown is recorded. While the store fails there is
// nothing better to do: going on would send what was already sent.
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

// grace is what a step in hand gets after the order to stop.
const grace = 3 * time.Second

// outlive returns a context that ends after limit, or grace after ctx does.
func outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return out, func() { stop(); cancel() }
}
