package watcher

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogFilesLeaveRoomForOtherMessages: many messages announce log files, and S3 is slow. A message with a record must
// be handled all the same, because files may use only maxReading handlers. In the end every file is read.
func TestLogFilesLeaveRoomForOtherMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counts := newQueue(t), &tally{}
		var mu sync.Mutex
		now, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			now += n
			most = max(most, now)
		}
		f := &files{wait: func() { count(1); time.Sleep(5 * time.Minute); count(-1) }}
		stop := watch(t, q.api, q.url, func(context.Context, Message) error { return nil }, func(c *Config) { c.Files, c.Meter = f, counts })
		const notices = 5 * handlers
		for n := range notices {
			q.send(t, announce(fmt.Sprint(n)))
		}
		time.Sleep(2 * time.Second)
		q.send(t, bridge(record))
		time.Sleep(30 * time.Second)
		if counts.of("eventbridge/"+Handled) != 1 || counts.of("log_file/"+Ignored) != 0 {
			t.Errorf("the record is not handled, or a file is read already: %v", counts.counts)
		}
		time.Sleep(2 * time.Hour)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n := counts.of("log_file/" + Ignored); most != maxReading || n != notices || q.holds() != 0 {
			t.Errorf("%d files at the same time, want %d; %d read of %d; %d messages left; %v", most, maxReading, n, notices, q.holds(), counts.counts)
		}
	})
}

// TestObjectsOfAMessage: each object that a message names is read once. A message with more than maxObjects does not
// come from AWS, and none of its objects is read.
func TestObjectsOfAMessage(t *testing.T) {
	t.Parallel()
	keys := func(n, different int) (keys []string) {
		for i := range n {
			keys = append(keys, fmt.Sprint(i%different))
		}
		return keys
	}
	for name, c := range map[string]struct {
		keys    []string
		outcome string
		read    int
	}{
		"repeated":          {keys(10_000, 2), Ignored, 2},
		"as many as can be": {keys(maxObjects, maxObjects), Ignored, maxObjects},
		"too many":          {keys(maxObjects+1, maxObjects+1), Unparsable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, counts, f := newQueue(t), &tally{}, &files{}
			stop := watch(t, q.api, q.url, func(context.Context, Message) error { return nil }, func(c *Config) { c.Files, c.Meter = f, counts })
			q.send(t, announce(c.keys...))
			eventually(t, "the outcome", func() bool { return counts.of("log_file/"+c.outcome) == 1 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if len(f.read) != c.read || c.read == 2 && !slices.Equal(f.read, []Object{{"b", "0"}, {"b", "1"}}) {
				t.Errorf("%d objects were read, want %d", len(f.read), c.read)
			}
		})
	}
	if maxObjects > 100 {
		t.Errorf("a message with %d objects may occupy a handler for too long", maxObjects)
	}
}
