package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"flowkeeper/alert"
)

// memory is an Outbox in memory, for all sinks.
type memory struct {
	mu     sync.Mutex
	all    []*Delivery // in order of adding
	broken int         // how many of the next calls fail
	wakes  int         // how often a sender has woken the others
}

var errDisk = errors.New("disk full")

func (m *memory) add(sink string, alerts ...alert.Alert) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range alerts {
		m.all = append(m.all, &Delivery{Alert: a, Sink: sink, NextAt: time.Now()})
	}
}

func (m *memory) fail() bool {
	if m.broken > 0 {
		m.broken--
		return true
	}
	return false
}

func (m *memory) Next(_ context.Context, sink string, choice Choice) (Delivery, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail() {
		return Delivery{}, false, errDisk
	}
	var soonest time.Time
	for _, d := range m.all {
		if d.Sink != sink || !d.pending() || m.waits(d) {
			continue
		}
		if !d.NextAt.After(choice.Now) {
			return *d, true, nil
		}
		if soonest.IsZero() || d.NextAt.Before(soonest) {
			soonest = d.NextAt
		}
	}
	return Delivery{NextAt: soonest}, false, nil
}

func (d Delivery) pending() bool { return d.SentAt.IsZero() && d.ParkedAt.IsZero() }

// waits reports whether the delivery answers an earlier alert that is pending.
func (m *memory) waits(d *Delivery) bool {
	for _, e := range m.all {
		if e == d {
			return false
		}
		if d.Alert.Answers() && e.Sink == d.Sink && e.Alert.DedupKey == d.Alert.DedupKey && e.pending() {
			return true
		}
	}
	return false
}

// Wake implements Others.
func (m *memory) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakes++
}

func (m *memory) find(sink, id string) *Delivery {
	for _, d := range m.all {
		if d.Sink == sink && d.Alert.ID == id {
			return d
		}
	}
	panic("no such delivery: " + id)
}

func (m *memory) Sent(ctx context.Context, sink, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail() || ctx.Err() != nil {
		return errDisk
	}
	m.find(sink, id).SentAt = at
	return nil
}

func (m *memory) Failed(ctx context.Context, sink, id string, f Failure) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail() || ctx.Err() != nil {
		return errDisk
	}
	d := m.find(sink, id)
	d.Attempts, d.NextAt, d.Error = f.Attempts, f.NextAt, f.Cause
	if f.Parked {
		d.ParkedAt = time.Now()
	}
	return nil
}

func (m *memory) get(sink, id string) Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.find(sink, id)
}

// recorder is a sink that records the alerts, and returns the result of answer.
type recorder struct {
	mu     sync.Mutex
	got    []string
	when   []time.Time
	answer func(n int, a alert.Alert) error // n: tries so far, from 1
}

func (r *recorder) Send(_ context.Context, a alert.Alert) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got, r.when = append(r.got, a.ID), append(r.when, time.Now())
	if r.answer == nil {
		return nil
	}
	return r.answer(len(r.got), a)
}

func (r *recorder) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func numbered(n int) []alert.Alert {
	out := make([]alert.Alert, n)
	for i := range out {
		out[i] = alert.Alert{ID: fmt.Sprint("a", i), Time: alert.Time{Time: time.Now()}}
	}
	return out
}

// start runs a sender in the synctest bubble of the test; stop waits for its end.
func start(t *testing.T, name string, s Sink, o Outbox) (sender *Sender, stop func()) {
	t.Helper()
	sender = NewSender(name, s, o, slog.New(slog.NewTextHandler(io.Discard, nil)))
	sender.Rand = func() float64 { return 1 }
	if m, ok := o.(*memory); ok {
		sender.Others = m
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sender.Run(ctx) }()
	return sender, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// run lets a sender deliver for the duration d to a sink that returns the result of answer.
func run(t *testing.T, o Outbox, answer func(n int, a alert.Alert) error, d time.Duration) *recorder {
	t.Helper()
	sink := &recorder{answer: answer}
	_, stop := start(t, "hook", sink, o)
	time.Sleep(d)
	stop()
	return sink
}
