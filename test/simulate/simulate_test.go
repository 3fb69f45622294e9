package simulate

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const stepsOfPlay = 300 // on average

// number reads an environment variable.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: want a number", name, v)
	}
	return n
}

// TestI1ToI7Simulated plays until SIM_STEPS steps are done, from SIM_SEED on.
// SIM_PLAY replays one seed and prints what happened.
func TestI1ToI7Simulated(t *testing.T) {
	t.Parallel()
	if one := number(t, "SIM_PLAY", 0); one != 0 {
		if err := once(one, t.TempDir(), true); err != nil {
			t.Fatal(err)
		}
		return
	}
	seed, steps := number(t, "SIM_SEED", uint64(time.Now().UnixNano())>>10), number(t, "SIM_STEPS", 50_000)
	plays := steps / stepsOfPlay
	var next atomic.Uint64
	var failed atomic.Bool
	var wg sync.WaitGroup
	dir := t.TempDir()
	for worker := range 2 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < plays && !failed.Load(); n = next.Add(1) - 1 {
				if err := once(seed+n, fmt.Sprintf("%s/%d", dir, worker), false); err != nil {
					failed.Store(true)
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d plays of about %d steps from seed %d", plays, stepsOfPlay, seed)
}

// once plays one seed.
func once(seed uint64, dir string, verbose bool) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := newPlay(seed, dir, 1+int(seed%2), verbose)
	defer func() {
		if x := recover(); x != nil {
			at := ""
			if _, known := x.(failure); !known {
				at = "\n" + string(debug.Stack())
			}
			err = fmt.Errorf("play %d: %v%s\nreplay: SIM_PLAY=%d go test ./test/simulate -run Simulated -v\n%s", seed, x, at, seed, tail(p.trace.String(), 60))
		}
	}()
	p.run(stepsOfPlay/2 + p.random.IntN(stepsOfPlay))
	return nil
}

// tail is the last lines of a text.
func tail(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
