package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// TestBackoffTable: the pauses between tries double from 1 s to 5 min. The tests of package
// retry cover jitter and large numbers.
func TestBackoffTable(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 99: 5 * time.Minute} {
		t.Run(fmt.Sprint("try ", n), func(t *testing.T) {
			t.Parallel()
			if got := backoff.Pause(n - 1); got != want {
				t.Error(got)
			}
			if got := backoff.Jittered(n-1, 0.5); got != want/2 {
				t.Error(got)
			}
		})
	}
}

func TestSenderDeliversInOrderAndWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		alerts := numbered(5)
		o.add("hook", alerts[:3]...)
		sink := &recorder{}
		s, stop := start(t, "hook", sink, &o)
		synctest.Wait()
		o.add("hook", alerts[3:]...)
		synctest.Wait()
		if got := sink.ids(); len(got) != 3 {
			t.Errorf("before the wake: %v", got)
		}
		for range 10 {
			s.Wake()
		}
		synctest.Wait()
		stop()
		if got := sink.ids(); !slices.Equal(got, []string{"a0", "a1", "a2", "a3", "a4"}) {
			t.Error(got)
		}
		if d := o.get("hook", "a4"); d.SentAt.IsZero() {
			t.Error("not recorded")
		}
	})
}

func TestSenderKeepsOrderThroughAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(3)...)
		sink := &recorder{answer: func(n int, _ alert.Alert) error {
			if n <= 6 {
				return errors.New("down")
			}
			return nil
		}}
		s, stop := start(t, "hook", sink, &o)
		time.Sleep(time.Second / 2)
		s.Wake() // must not shorten the pause
		time.Sleep(5 * time.Minute)
		stop()
		want := []string{"a0", "a0", "a0", "a0", "a0", "a0", "a0", "a1", "a2"}
		if got := sink.ids(); !slices.Equal(got, want) {
			t.Error(got)
		}
		for i := range 6 {
			if gap := sink.when[i+1].Sub(sink.when[i]); gap != time.Second<<i {
				t.Errorf("pause %d: %v", i, gap)
			}
		}
	})
}

// TestI7OneSinkHoldsUpNoOther: a sink that fails or hangs does not delay the others.
func TestI7OneSinkHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		begin := time.Now()
		for _, name := range []string{"good", "bad", "slow"} {
			o.add(name, numbered(50)...)
		}
		good := &recorder{}
		bad := &recorder{answer: func(int, alert.Alert) error { return errors.New("down") }}
		slow := sinkFunc(func(ctx context.Context, _ alert.Alert) error { <-ctx.Done(); return ctx.Err() })
		_, stop1 := start(t, "good", good, &o)
		_, stop2 := start(t, "bad", bad, &o)
		_, stop3 := start(t, "slow", slow, &o)
		synctest.Wait()
		if len(good.ids()) != 50 || time.Since(begin) != 0 {
			t.Errorf("%d delivered after %v", len(good.ids()), time.Since(begin))
		}
		stop1()
		stop2()
		stop3()
	})
}

// TestI7PoisonousAlertHoldsOthersUpForALimitedTime: an alert that its receiver can't handle,
// which an attacker may cause by a user agent, delays the later alerts only for a time.
func TestI7PoisonousAlertHoldsOthersUpForALimitedTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		tries int
		limit time.Duration
	}{
		"refused": {&Error{Cause: "413", Refused: true}, HoldTriesRefused, 10 * time.Second},
		"500":     {&Error{Cause: "500"}, holdTries, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var o memory
				begin := time.Now()
				o.add("hook", numbered(30)...)
				sink := &recorder{answer: func(_ int, a alert.Alert) error {
					if a.ID == "a0" {
						return c.err
					}
					return nil
				}}
				_, stop := start(t, "hook", sink, &o)
				time.Sleep(c.limit)
				last := o.get("hook", "a29")
				if last.SentAt.IsZero() {
					t.Fatal("the others still wait")
				}
				if got := sink.ids(); slices.Index(got, "a1") != c.tries {
					t.Errorf("a1 came after %d tries, want %d", slices.Index(got, "a1"), c.tries)
				}
				time.Sleep(80 * time.Hour)
				stop()
				d := o.get("hook", "a0")
				if d.ParkedAt.IsZero() || d.Error == "" || o.wakes < 1 {
					t.Fatalf("never given up, or the other sinks were not alerted (%d times): %+v", o.wakes, d)
				}
				if age := d.ParkedAt.Sub(begin); age < parkAfter || age > parkAfter+time.Hour {
					t.Errorf("parked after %v", age)
				}
			})
		})
	}
}

// TestSenderSeldomTriesASinkThatIsDown: it is tried once per pause, however many alerts
// wait, and gets all of them soon after it works again.
func TestSenderSeldomTriesASinkThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(500)...)
		back := time.Now().Add(24 * time.Hour)
		sink := &recorder{answer: func(int, alert.Alert) error {
			if time.Now().Before(back) {
				return &Error{Cause: "404", Refused: true}
			}
			return nil
		}}
		_, stop := start(t, "hook", sink, &o)
		time.Sleep(24*time.Hour - time.Second)
		if n := len(sink.ids()); n > 24*12+20 {
			t.Errorf("%d tries in a day", n)
		}
		time.Sleep(11 * time.Minute)
		stop()
		for _, d := range o.all {
			if d.SentAt.IsZero() {
				t.Fatalf("%s still waits: %+v", d.Alert.ID, d)
			}
		}
	})
}

func TestSenderHonoursRetryAfterWithinBounds(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		0: time.Second, 40 * time.Second: 40 * time.Second, 48 * time.Hour: maxRetryAfter,
	} {
		t.Run(asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var o memory
				o.add("hook", numbered(2)...)
				sink := run(t, &o, func(n int, _ alert.Alert) error {
					if n == 1 {
						return &Error{Cause: "429", RetryAfter: asked}
					}
					return nil
				}, 2*time.Hour)
				if got := sink.when[1].Sub(sink.when[0]); got != want || len(sink.got) != 3 {
					t.Errorf("asked %v: waited %v, %v", asked, got, sink.got)
				}
			})
		})
	}
}

// TestSenderTriesOldAlertsToo: an alert older than three days is not given up after a single
// try, because the daemon may have been stopped for that time.
func TestSenderTriesOldAlertsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		old := alert.Alert{ID: "old", Time: alert.Time{Time: time.Now().Add(-200 * time.Hour)}}
		o.add("hook", old)
		run(t, &o, func(n int, _ alert.Alert) error {
			if n < holdTries {
				return errors.New("down")
			}
			return nil
		}, time.Hour)
		if d := o.get("hook", "old"); d.SentAt.IsZero() {
			t.Errorf("%+v", d)
		}
	})
}

// TestI7FailingStoreCausesNoRepeats: if the store fails after an alert was sent, the sender
// tries to record that again. It does not send the alert again.
func TestI7FailingStoreCausesNoRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(2)...)
		sink := run(t, &o, func(n int, _ alert.Alert) error {
			if n == 1 {
				o.mu.Lock()
				o.broken = 4
				o.mu.Unlock()
			}
			return nil
		}, time.Minute)
		if got := sink.ids(); !slices.Equal(got, []string{"a0", "a1"}) {
			t.Error(got)
		}
	})
}

func TestSenderSurvivesAnOutboxThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := memory{broken: 5}
		o.add("hook", numbered(1)...)
		if got := run(t, &o, nil, time.Minute).ids(); len(got) != 1 {
			t.Error(got)
		}
	})
}

// TestI10StopLetsTheTryInHandFinish: a try that has started before the order to stop may
// end, and its result is recorded.
func TestI10StopLetsTheTryInHandFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(2)...)
		sink := sinkFunc(func(ctx context.Context, _ alert.Alert) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		_, stop := start(t, "hook", sink, &o)
		time.Sleep(time.Second)
		stop()
		if d := o.get("hook", "a0"); d.SentAt.IsZero() {
			t.Errorf("%+v", d)
		}
		if d := o.get("hook", "a1"); d.Attempts != 0 || !d.SentAt.IsZero() {
			t.Errorf("started after the order to stop: %+v", d)
		}
	})
}

func TestI10StopDoesNotWaitForASinkThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(1)...)
		_, stop := start(t, "hook", sinkFunc(func(ctx context.Context, _ alert.Alert) error { <-ctx.Done(); return ctx.Err() }), &o)
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != grace {
			t.Errorf("took %v", took)
		}
		if d := o.get("hook", "a0"); d.Attempts != 1 {
			t.Errorf("the try is not recorded: %+v", d)
		}
	})
}

// TestI12CauseIsCleaned: the text of a sink's error is foreign text.
func TestI12CauseIsCleaned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory
		o.add("hook", numbered(1)...)
		run(t, &o, func(int, alert.Alert) error { return errors.New("\x1b[2J" + strings.Repeat("x", 9999)) }, time.Millisecond)
		d := o.get("hook", "a0")
		alerttest.Printable(t, d.Error, false)
		if d.Error == "" || len([]rune(d.Error)) > alert.MaxField {
			t.Errorf("%q", d.Error)
		}
	})
}

// pastDue is an outbox that first returns a due time which is already over.
type pastDue struct {
	memory
	asked int
}

func (o *pastDue) Next(ctx context.Context, sink string, choice Choice) (Delivery, bool, error) {
	if o.asked++; o.asked == 1 {
		return Delivery{NextAt: choice.Now.Add(-time.Nanosecond)}, false, nil
	}
	return o.memory.Next(ctx, sink, choice)
}

func TestSenderDoesNotWaitForATimeInThePast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o pastDue
		o.add("hook", numbered(1)...)
		if len(run(t, &o, nil, time.Millisecond).ids()) != 1 {
			t.Error("the alert was not sent")
		}
	})
}

// noticeCounter is an outbox that counts the alerts for the other sinks, and how often these are woken.
type noticeCounter struct{ notices, woken int }

func (*noticeCounter) Next(context.Context, string, Choice) (Delivery, bool, error) {
	return Delivery{}, false, nil
}
func (*noticeCounter) Sent(context.Context, string, string, time.Time) error { return nil }
func (o *noticeCounter) Failed(_ context.Context, _, _ string, f Failure) error {
	if f.NotifyOthers {
		o.notices++
	}
	return nil
}
func (o *noticeCounter) Wake() { o.woken++ }

// TestI7OtherSinksAreAlertedOfAFailingSink: refusals and other failures may alternate. The
// senders of the other sinks are woken for that alert, and when the sink takes alerts again.
func TestI7OtherSinksAreAlertedOfAFailingSink(t *testing.T) {
	t.Parallel()
	o := &noticeCounter{}
	s := NewSender("pager", &recorder{}, o, slog.New(slog.DiscardHandler))
	s.Others = o
	now := time.Now()
	for n := range 20 {
		e := &Error{Refused: n >= 3}
		s.failed(t.Context(), Delivery{Alert: alert.Alert{ID: "x", Kind: alert.Deletion, Level: alert.Critical, Time: alert.Time{Time: now}}, Attempts: n}, e, now)
	}
	if o.notices == 0 || o.woken != o.notices {
		t.Errorf("alerted %d times, woken %d times", o.notices, o.woken)
	}
	before := o.woken
	s.deliver(t.Context(), Delivery{Alert: alert.Alert{ID: "x"}, Attempts: 20})
	if o.woken != before+1 {
		t.Error("the other senders were not woken when it took alerts again")
	}
}
