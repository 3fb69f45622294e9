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

// TestThousandsAtOnce: hundreds of flow logs that all differ are deleted at once. All are restored as fast as
// AWS's rates allow, and the log shows the progress now and then.
func TestThousandsAtOnce(t *testing.T) {
	t.Parallel()
	const many = 400 // each differs from all others, so that it needs its own create
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
			t.Errorf("%d creates, want %d", n, many)
		}
		if least := (many - 50) / 5 * time.Second; took < least || took > 2*least {
			t.Errorf("the restore took %s, want between %s, which the pace allows, and twice that", took, least)
		}
		if !strings.Contains(log.String(), "restoring goes on") || strings.Count(log.String(), "restoring goes on") > 8 {
			t.Errorf("%d lines of progress, want 1 to 8", strings.Count(log.String(), "restoring goes on"))
		}
		s.wantState(ids[many-1], incident.Restored, "")
	})
}

// TestRestorersWakeUpApart: the restorers of thousands of scopes start at the same moment and have nothing to
// do. A random share of the first pause spreads their later turns over time.
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
				t.Errorf("with the random share %v, turns at %v, want %v", random, woken, want)
			}
		})
	}
}

// TestTheClientOfAScopeThatLeftIsDropped: the client of a scope that left the fleet holds credentials of its
// account. It must not stay in memory.
func TestTheClientOfAScopeThatLeftIsDropped(t *testing.T) {
	t.Parallel()
	var s *scene
	gone := make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		s = newScene(t)
		s.bubble = true
		client := &struct {
			remediate.EC2
			_ [1 << 10]byte // so that the client is an allocation of its own, as AddCleanup needs
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
			t.Fatal("the client is still in memory")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestAWakeDuringATurn: a wake that comes during a turn is not lost: another turn follows at once.
func TestAWakeDuringATurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Rand = func() float64 { return 0.5 } // so that no turn has a step
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
		s.r.WakeRestorers() // the restorer has ended
		synctest.Wait()
		if len(turns) != 3 {
			t.Error("there is a turn after the restorer has ended")
		}
	})
}

// TestI9ARestorerWaitsAsTheStoreSays: a restore that a wait rule, drift_wait or a backoff delays is done when
// its time has come.
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
		synctest.Wait() // until the create, whose flow log AWS shows already, is committed
		s.r.Policy.Rules = nil
		s.world.Throttle("CreateFlowLogs", 4)
		s.deliver(s.attack(s.flowLogsOn("vpc-2")[0].ID))
		if d := back("the replacement", "vpc-2"); d < 5*time.Second || d > 15*time.Second {
			t.Errorf("four refusals, with backoffs of 1, 2, 4 and 8 seconds, took %s", d)
		}
		stop()
	})
}

// TestProgressWhileCreatesAreSlow: a step with many slow creates must report progress. Otherwise the watchdog
// takes it for a hang.
func TestProgressWhileCreatesAreSlow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes        time.Duration
		alike, other int // flow logs: one call restores all alike ones, each other one needs its own
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
					t.Errorf("no progress for %s, want at most 1m", silence)
				}
				if here := len(s.world.FlowLogs(account, region)); here != c.back {
					t.Errorf("%d flow logs are back, want %d", here, c.back)
				}
			})
		})
	}
}

// readsStore counts the transactions that only read. Each takes slow longer.
type readsStore struct {
	remediate.Store
	slow  time.Duration
	reads atomic.Int64

	at, most atomic.Int64 // transactions that read now, and the most so far
}

func (r *readsStore) View(ctx context.Context, fn func(remediate.Tx) error) error {
	r.reads.Add(1)
	r.most.Store(max(r.most.Load(), r.at.Add(1)))
	defer r.at.Add(-1)
	time.Sleep(r.slow)
	return r.Store.View(ctx, fn)
}

// TestRestorersAskByTurns: the restorers of many scopes start at once, and ask the store what is due. At most
// four do so at the same time, so that SQLite connections are left for reads that alerts need.
func TestRestorersAskByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		s.r.Rand = func() float64 { return 0.5 } // so that no restorer does a step
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
			t.Errorf("%d reads, want at least 20; at most %d at once, want 4", n, most)
		}
	})
}

// TestAnIdleRestorerReadsLittle: thousands of restorers may have nothing to do. Each reads the store about as
// often as it reports progress, and rarely more.
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
			t.Errorf("%d reads in an hour, want at most 120", n)
		}
	})
}

// execSQL runs an SQL statement on the state file, to damage it.
func (s *scene) execSQL(query string, args ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path)
	s.must(err)
	defer db.Close()
	_, err = db.Exec(query, args...)
	s.must(err)
}

// TestI9ARowThatCantBeReadHoldsNoOther: a row of the snapshot is damaged. The error names its flow log, and the
// other flow logs that are due in the same step are restored.
func TestI9ARowThatCantBeReadHoldsNoOther(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 3)
	s.deliver(s.attack(ids...))
	s.execSQL(`UPDATE flow_logs SET body = 'damaged' WHERE id = ?`, ids[0])
	for range 5 {
		if _, err := s.r.Reconcile(t.Context(), scope, func() {}); err == nil || !strings.Contains(err.Error(), ids[0]) {
			t.Errorf("the error does not name the flow log of the damaged row: %v", err)
		}
	}
	s.wantRestored("vpc-2")
	s.wantRestored("vpc-3")
}

// TestI7AnEventThatCantBeReadHoldsNoRestore: an event, a burst or the table of all bursts can't be read, so that
// an alert can't be added. All flow logs are restored all the same, and each step returns an error.
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
					t.Error("the step returns no error")
				}
			}
			s.wantRestored("vpc-1")
			s.wantRestored("vpc-2")
		})
	}
}

// TestAWakeAtTheStart: a wake comes after the restorer was registered for the scope, but before its first turn.
// The first turn must still come.
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
