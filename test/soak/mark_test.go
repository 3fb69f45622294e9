package soak_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// mark is how much memory, disk and other things a daemon uses at one time.
type mark struct {
	hour       int
	made       int64 // flow logs that were made until then
	heap       int64 // bytes in use after a collection
	resident   int64 // bytes of the process: SQLite's memory is not in the heap
	spans      int64 // resident bytes of the heap, with the gaps between objects in use
	stacks     int64 // bytes
	goroutines int64
	pages      int64 // of the state file, in use
	file, log  int64 // bytes of the state file, and of its write-ahead log
	rows       map[string]int64
}

func (m mark) String() string {
	return fmt.Sprintf("after %d hours: heap %.2f MB, resident %.1f MB, of which heap with gaps %.1f MB and stacks %.1f MB, %d goroutines, state file %.2f MB, in use %.2f MB, write-ahead log %.2f MB, rows %v",
		m.hour, mb(m.heap), mb(m.resident), mb(m.spans), mb(m.stacks), m.goroutines, mb(m.file), mb(m.pages*page), mb(m.log), m.rows)
}

func mb(n int64) float64 { return float64(n) / 1e6 }

const (
	page       = 4096           // bytes, of SQLite
	mostLog    = 4<<20 + 64<<10 // bytes of the write-ahead log: what the daemon limits it to, and headers
	remembered = 3 << 10        // bytes that the fake AWS keeps for each create
	recent     = "deeds"        // the only table that keeps its rows for a day even if the retention is shorter
)

// grownSince says what has grown since an earlier mark by more than it may: the fake AWS keeps what was
// created, and the state file keeps recent calls of principals.
func (m mark) grownSince(first mark) (out []string) {
	check := func(what string, now, then, slack int64) {
		if most := then + then/50 + slack; now > most {
			out = append(out, fmt.Sprintf("%s: %d, and %d after %d hours: %d at most", what, now, then, first.hour, most))
		}
	}
	day := m.rows[recent] - first.rows[recent]
	check("bytes of heap", m.heap, first.heap, 256<<10+(m.made-first.made)*remembered)
	check("resident bytes", m.resident, first.resident, 16<<20)
	check("goroutines", m.goroutines, first.goroutines, 4)
	check("pages of the state file in use", m.pages, first.pages, 8+day/4)
	check("bytes of the state file", m.file, first.file, 256<<10+day/4*page)
	check("bytes of the write-ahead log", m.log, 0, mostLog)
	for table, n := range m.rows {
		if table != recent {
			check("rows of "+table, n, first.rows[table], 8+first.rows[table]/4)
		}
	}
	return out
}

// measure measures this process, while nothing is at work in it, and the state file.
func measure(t *testing.T, path string) mark {
	t.Helper()
	debug.FreeOSMemory() // two collections, because a sync.Pool keeps objects over the first
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	k := mark{heap: int64(m.HeapAlloc), resident: resident(t), spans: int64(m.HeapInuse), stacks: int64(m.StackInuse), goroutines: int64(runtime.NumGoroutine()), rows: map[string]int64{}}
	k.file, k.log = sizeOf(t, path), sizeOf(t, path+"-wal")
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var free int64
	count := func(n *int64, query string) {
		if err := db.QueryRow(query).Scan(n); err != nil {
			t.Fatal(err)
		}
	}
	count(&k.pages, `PRAGMA page_count`)
	count(&free, `PRAGMA freelist_count`)
	k.pages -= free
	for _, table := range tables(t, db) {
		var n int64
		count(&n, `SELECT count(*) FROM `+table)
		k.rows[table] = n
	}
	return k
}

func tables(t *testing.T, db *sql.DB) (out []string) {
	t.Helper()
	rows, err := db.Query(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// resident is the memory of this process, if Linux says it; with the race detector, which keeps memory itself,
// it is 0.
func resident(t *testing.T) int64 {
	t.Helper()
	if raced {
		return 0
	}
	text, err := os.ReadFile("/proc/self/statm")
	if os.IsNotExist(err) {
		return 0
	}
	var all, own int64
	if err == nil {
		_, err = fmt.Sscan(string(text), &all, &own)
	}
	if err != nil {
		t.Fatal(err)
	}
	return own * int64(os.Getpagesize())
}

// lines counts the lines of a log, by their text.
type lines struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (l *lines) Write(p []byte) (int, error) {
	var line struct{ Level, Msg string }
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n[strings.ToLower(line.Level)+": "+line.Msg]++
	return len(p), nil
}

// take returns the counts so far, and resets them.
func (l *lines) take() (total int, n map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.n {
		total += c
	}
	n, l.n = l.n, map[string]int{}
	return total, n
}
