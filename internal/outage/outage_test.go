package outage_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"flowkeeper/internal/outage"
)

func ExampleOutage() {
	var queue outage.Outage
	down := errors.New("connection refused")
	for _, err := range []error{nil, down, down, nil, nil} {
		switch queue.Note(err) {
		case outage.Began:
			fmt.Println("the queue does not answer:", err)
		case outage.Ended:
			fmt.Println("the queue answers again")
		}
	}
	// Output:
	// the queue does not answer: connection refused
	// the queue answers again
}

func TestOutage(t *testing.T) {
	t.Parallel()
	fails := errors.New("fails")
	for name, c := range map[string]struct {
		results  []error
		want     []outage.Change
		failures int
	}{
		"nothing yet":   {nil, nil, 0},
		"works at once": {[]error{nil, nil}, []outage.Change{outage.None, outage.None}, 0},
		"fails at once": {[]error{fails, fails, fails}, []outage.Change{outage.Began, outage.None, outage.None}, 3},
		"over":          {[]error{fails, nil, nil}, []outage.Change{outage.Began, outage.Ended, outage.None}, 0},
		"again":         {[]error{fails, nil, fails}, []outage.Change{outage.Began, outage.Ended, outage.Began}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o outage.Outage
			var got []outage.Change
			for _, err := range c.results {
				got = append(got, o.Note(err))
			}
			if !slices.Equal(got, c.want) || o.Failures() != c.failures {
				t.Errorf("%v and %d failures, want %v and %d", got, o.Failures(), c.want, c.failures)
			}
		})
	}
}

// Exactly one of many concurrent failures begins the outage.
func TestOutageConcurrently(t *testing.T) {
	t.Parallel()
	var o outage.Outage
	began := make(chan bool, 100)
	var all sync.WaitGroup
	for range cap(began) {
		all.Go(func() { began <- o.Note(errors.New("fails")) == outage.Began })
	}
	all.Wait()
	close(began)
	times := 0
	for b := range began {
		if b {
			times++
		}
	}
	if times != 1 || o.Failures() != 100 {
		t.Errorf("the outage began %d times, with %d failures; want 1 and 100", times, o.Failures())
	}
}
