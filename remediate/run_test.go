package remediate_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// TestThousandsAtOnce: all are restored, at the pace that EC2 allows, by observations
// that many share, and the log says how far it is.
func TestThousandsAtOnce(t *testing.T) {
	t.Parallel()
	const many = 400 // each unlike the others
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		log := &bytes.Buffer{}
		s.r.Log = slog.New(slog.NewTextHandler(log, nil))
		ids, _ := s.plantMany(0, 0, many)
		s.deliver(s.attack(ids...))
		stop := s.run(func() {})
		begun := time.Now()
		for len(s.world.FlowLogs(account, region)) < many && time.Since(begun) < time.Hour {
			time.Sleep(time.Second)
		}
		took := time.Since(begun)
		stop()
		if n := s.creates(); n != many {
			t.Errorf("%d creates of %d", n, many)
		}
		if least := (many - 50) / 5 * time.Second; took < least || took > 2*least {
			t.Errorf("it took %s: the pace allows %s", took, least)
		}
		if !strings.Contains(log.String(), "restoring goes on") || strings.Count(log.String(), "restoring goes on") > 8 {
			t.Errorf("%d lines of progress", strings.Count(log.String(), "restoring goes on"))
		}
		s.wantState(ids[many-1], incident.Restored, "")
	})
}

// TestRestorersWakeUpApart: thousands begin at the same moment, and have nothing to do.
func TestRestorersWakeUpApart(t *testing.T) {
	t.Parallel()
	for random, first := range map[float64]time.Duration{0.2: 36 * time.Second, 0.8: 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.bubble = true
			s.r.Rand = func() float64 { return random }
			begun := time.Now()
			var woken []time.Duration
			stop := s.run(func() { woken = append(woken, time.Since(begun)) })
			time.Sleep(2 * time.Minute)
			stop()
			want := []time.Duration{0, first, first + 45*time.Second}
			if len(woken) < len(want) || !slices.Equal(woken[:len(want)], want) {
				t.Errorf("with %v woken up at %v, want %v", random, woken, want)
			}
		})
	}
}

// TestTheClientOfAScopeThatLeftIsDropped: it holds the credentials of an account that has departed.
func TestTheClientOfAScopeThatLeftIsDropped(t *testing.T) {
	t.Parallel()
	var s *scene
	gone := make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		s = newScene(t)
		s.bubble = true
		client := &struct {
			remediate.EC2
			_ [1 << 10]byte // an allocation of its own
		}{EC2: s.api}
		runtime.AddCleanup(client, func(gone chan struct{}) { close(gone) }, gone)
		s.r.Fleet = fleet{scope: client}
		stop := s.run(func() {})
		s.r.Fleet = fleet{}
		synctest.Wait()
		stop()
	})
	for late := time.After(10 * time.Second); ; {
		runtime.GC()
		select {
		case <-gone:
			runtime.KeepAlive(s)
			return
		case <-late:
			t.Fatal("it is kept")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestAWakeDuringATurn is not lost: another turn follows at once.
func TestAWakeDuringATurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Rand = func() float64 { return 0.5 } // no turn has a step
		s.r.Store = &readsStore{Store: s.r.Store, slow: time.Second}
		begun := time.Now()
		var turns []time.Duration
		stop := s.run(func() { turns = append(turns, time.Since(begun)) })
		for _, pause := range []time.Duration{500 * time.Millisecond, 200 * time.Millisecond, 10 * time.Second} {
			time.Sleep(pause)
			s.r.WakeRestorers()
		}
		time.Sleep(10 * time.Second)
		stop()
		if want := []time.Duration{0, time.Second, 10700 * time.Millisecond}; !slices.Equal(turns, want) {
			t.Errorf("turns at %v, want %v", turns, want)
		}
		s.r.WakeRestorers() // all is over
		synctest.Wait()
		if len(turns) != 3 {
			t.Error("a turn after the end")
		}
	})
}

// TestI9ARestorerWaitsAsTheStoreSays: what is held back by a wait rule, by drift_wait
// or by a backoff is done when its time has come, by the clock of the system;
// another process's change is noticed at once.
func TestI9ARestorerWaitsAsTheStoreSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Policy.Rules = []incident.Rule{{Principal: mallory, Action: incident.Wait, Wait: 15 * time.Minute}}
		s.r.Rand = func() float64 { return 0.5 }
		waits, drifts := s.plant("vpc-1", nil), s.plant("vpc-2", nil)
		s.refresh()
		time.Sleep(time.Hour)
		stop := s.run(func() {})
		back := func(id, vpc string) time.Duration {
			t.Helper()
			for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
				if len(s.flowLogsOn(vpc)) == 1 {
					return time.Since(begun).Round(time.Second)
				}
				if time.Since(begun) > time.Hour {
					t.Fatalf("%s is not back after an hour", id)
				}
			}
		}
		s.deliver(s.attack(waits))
		if d := back(waits, "vpc-1"); d != 15*time.Minute {
			t.Errorf("a wait of 15 minutes took %s", d)
		}
		s.world.Remove(account, region, drifts)
		s.refresh()
		if d := back(drifts, "vpc-2"); d != 2*time.Minute {
			t.Errorf("drift_wait of 2 minutes took %s", d)
		}
		synctest.Wait() // AWS shows it before it is committed
		s.r.Policy.Rules = nil
		s.world.Throttle("CreateFlowLogs", 4)
		s.deliver(s.attack(s.flowLogsOn("vpc-2")[0].ID))
		if d := back("it", "vpc-2"); d < 5*time.Second || d > 15*time.Second {
			t.Errorf("four refusals, with backoffs of 1, 2, 4 and 8 seconds, took %s", d)
		}
		stop()
	})
}

// TestProgressWhileCreatesAreSlow: a step of many slow creates is no hang, and
// would be taken for one.
func TestProgressWhileCreatesAreSlow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes        time.Duration
		alike, other int // flow logs; one call is for all that are alike
		back         int
	}{
		"15 seconds, by one call":    {15 * time.Second, 60, 0, 60},
		"15 seconds, by many calls":  {15 * time.Second, 0, 60, 60},
		"no answer, to one call":     {time.Hour, 60, 0, 0},
		"no answer, to many of them": {time.Hour, 0, 60, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.bubble = true
				ids, _ := s.plantMany(c.alike, 0, c.other)
				s.deliver(s.attack(ids...))
				s.r.Fleet = fleet{scope: slow{s.api, c.takes}}
				progress := &heartbeats{last: time.Now()}
				stop := s.run(progress.note)
				time.Sleep(time.Hour)
				stop()
				if silence := progress.longest(); silence > time.Minute {
					t.Errorf("nothing for %s, as of a loop that hangs", silence)
				}
				if here := len(s.world.FlowLogs(account, region)); here != c.back {
					t.Errorf("%d are back, want %d", here, c.back)
				}
			})
		})
	}
}

// readsStore counts the transactions that only read, and holds each as long as slow says.
type readsStore struct {
	remediate.Store
	slow  time.Duration
	reads atomic.Int64

	at, most atomic.Int64 // that read now, and at most so far
}

func (r *readsStore) View(ctx context.Context, fn func(remediate.Tx) error) error {
	r.reads.Add(1)
	r.most.Store(max(r.most.Load(), r.at.Add(1)))
	defer r.at.Add(-1)
	time.Sleep(r.slow)
	return r.Store.View(ctx, fn)
}

// TestRestorersAskByTurns: those of thousands of scopes begin at once. They leave connections to what
// reads the store for alerts.
func TestRestorersAskByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Rand = func() float64 { return 0.5 } // none makes a step meanwhile
		reads := &readsStore{Store: s.r.Store, slow: time.Second}
		s.r.Store = reads
		ctx, cancel := context.WithCancel(t.Context())
		var restorers sync.WaitGroup
		for n := range 20 {
			in := inventory.Scope{Account: account, Region: fmt.Sprintf("eu-north-%d", n)}
			restorers.Add(1)
			s.r.Start(ctx, in, func() {}, restorers.Done)
		}
		time.Sleep(30 * time.Second)
		cancel()
		restorers.Wait()
		if n, most := reads.reads.Load(), reads.most.Load(); n < 20 || most > 4 {
			t.Errorf("%d reads, at most %d at once", n, most)
		}
	})
}

// TestAnIdleRestorerReadsLittle: thousands of them have nothing to do. Each asks when something
// is due as often as it shows progress, and for nothing else but now and then.
func TestAnIdleRestorerReadsLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		reads := &readsStore{Store: s.r.Store}
		s.r.Store = reads
		progress := &heartbeats{last: time.Now()}
		stop := s.run(progress.note)
		time.Sleep(time.Hour)
		stop()
		if silence := progress.longest(); silence > time.Minute {
			t.Errorf("no progress for %s", silence)
		}
		if n := reads.reads.Load(); n > 120 {
			t.Errorf("%d reads in an hour", n)
		}
	})
}

// execSQL changes the state file as no Flowkeeper does.
func (s *scene) execSQL(query string, args ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path)
	s.must(err)
	defer db.Close()
	_, err = db.Exec(query, args...)
	s.must(err)
}

// TestI9ARowThatCantBeReadHoldsNoOther: what else is due in the same step is restored.
func TestI9ARowThatCantBeReadHoldsNoOther(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 3)
	s.deliver(s.attack(ids...))
	s.execSQL(`UPDATE flow_logs SET body = 'damaged' WHERE id = ?`, ids[0])
	for range 5 {
		if _, err := s.r.Reconcile(t.Context(), scope, func() {}); err == nil || !strings.Contains(err.Error(), ids[0]) {
			t.Errorf("the error does not name it: %v", err)
		}
	}
	s.wantRestored("vpc-2")
	s.wantRestored("vpc-3")
}

// TestI7AnEventThatCantBeReadHoldsNoRestore, nor does a burst, nor a whole table of them: alerts are not
// written, and all flow logs are restored.
func TestI7AnEventThatCantBeReadHoldsNoRestore(t *testing.T) {
	t.Parallel()
	for table, damage := range map[string]string{
		"events":     `INSERT INTO events (account, region, id, due_at, detected_at, body) SELECT account, region, 'damaged', 1, 1, 'damaged' FROM events`,
		"bursts":     `INSERT INTO bursts (key, class, account, region, due_at, body) SELECT 'damaged', '', account, region, 1, 'damaged' FROM events`,
		"all bursts": `ALTER TABLE bursts RENAME TO damaged`,
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, 2)
			s.deliver(s.attack(ids...))
			s.execSQL(damage)
			for range 5 {
				if _, err := s.r.Reconcile(t.Context(), scope, func() {}); err == nil {
					t.Error("nothing is said of it")
				}
			}
			s.wantRestored("vpc-1")
			s.wantRestored("vpc-2")
		})
	}
}

// TestAWakeAtTheStart comes between the moments when the scope knows its restorer and when that has begun.
func TestAWakeAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Rand = func() float64 { s.r.WakeRestorers(); return 0.5 }
		turns := 0
		stop := s.run(func() { turns++ })
		synctest.Wait()
		if turns == 0 {
			t.Error("no turn")
		}
		stop()
	})
}
