package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

const manyAlerts = 1_000_000

// BenchmarkPrune deletes a million delivered alerts that are older than the retention. It also measures how long
// the commit of a deletion must wait meanwhile.
func BenchmarkPrune(b *testing.B) {
	now := time.Now()
	path := filepath.Join(disk(b), "state.db")
	open := func() *store.Store {
		s, err := store.Open(b.Context(), path, store.Options{Daemon: true, Routes: alerttest.To{}})
		must(b, err)
		return s
	}
	must(b, open().Close())
	fillAlerts(b, path, now.Add(-100*24*time.Hour))
	s := open()
	defer s.Close()

	done := make(chan []time.Duration)
	stop, cancel := context.WithCancel(b.Context())
	go func() { done <- commits(stop, s) }()
	began := time.Now()
	must(b, s.Prune(b.Context(), now.Add(-90*24*time.Hour)))
	took := time.Since(began)
	cancel()
	waits := <-done
	slices.Sort(waits)
	left := 0
	must(b, s.FindAlerts(b.Context(), store.Filter{}, func(alert.Alert, []sink.Delivery) error { left++; return nil }))
	if left > 0 {
		b.Fatalf("%d alerts are left", left)
	}
	longest := waits[len(waits)-1]
	b.Logf("%d alerts pruned in %s; meanwhile %d other commits, each within %.0f ms, the median %.1f ms (the disk alone: %s)",
		manyAlerts, took.Round(time.Millisecond), len(waits), ms(longest), ms(waits[len(waits)/2]), commit(b))
	b.ReportMetric(ms(longest), "ms-longest-wait")
	b.ReportMetric(float64(manyAlerts)/took.Seconds(), "alerts/s")
}

// commits commits in a loop until ctx ends, and returns how long each commit took.
func commits(ctx context.Context, s *store.Store) (waits []time.Duration) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := s.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.SetOutageAlerted(inventory.Scope{Account: account, Region: region}, "bench", n%2 == 0)
		})
		if err != nil {
			return append(waits, time.Hour)
		}
		waits = append(waits, time.Since(began))
	}
	return waits
}

// fillAlerts writes alerts of usual size, with two deliveries each, directly into the tables.
func fillAlerts(b *testing.B, path string, at time.Time) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=cache_size(-200000)")
	must(b, err)
	db.SetMaxOpenConns(1)
	const step = 100_000
	for from := 0; from < manyAlerts; from += step {
		_, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE k (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM k WHERE n < %d)
			INSERT INTO alerts (num, id, at, dedup_key, body) SELECT n, 'alrt_' || hex(n * 2654435761 %% 4294967296), %d + n, 'flowkeeper-' || n, json_object('id', n, 'kind', 'deletion', 'level', 'high', 'time', '2026-01-01T00:00:00.000Z', 'text', printf('%%.900c', 'x')) FROM k`,
			from+1, from+step, at.UnixMilli()))
		must(b, err)
		for _, sink := range []string{"log", "pager"} {
			_, err = db.Exec(`INSERT INTO deliveries (alert, sink, next_at, sent_at) SELECT num, ?, 0, 1 FROM alerts WHERE num > ? AND num <= ?`, sink, from, from+step)
			must(b, err)
		}
	}
	must(b, db.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(b, err)
	must(b, f.Sync()) // else the first commit of the benchmark would wait until all this is on disk
	must(b, f.Close())
}
