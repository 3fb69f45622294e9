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

// TestMain takes away the AWS settings of this machine, which scopes.Base would read.
func TestMain(m *testing.M) {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name) //nolint:errcheck // the name is one of the environment
		}
	}
	for _, file := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		os.Setenv(file, os.DevNull) //nolint:errcheck // the name is valid
	}
	os.Exit(m.Run())
}

const stepsOfPlay = 300 // on average

// number reads an environment variable; without it, otherwise.
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
		if _, err := once(one, t.TempDir(), true, nil, newGolden(t)); err != nil {
			t.Fatal(err)
		}
		return
	}
	seed, steps := number(t, "SIM_SEED", 1), number(t, "SIM_STEPS", 50_000)
	plays := (steps + steps/100) / stepsOfPlay
	var next atomic.Uint64
	var failed atomic.Bool
	var total tally
	var wg sync.WaitGroup
	dir, traces := t.TempDir(), newGolden(t)
	for worker := range 2 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < plays && !failed.Load(); n = next.Add(1) - 1 {
				sum, err := once(seed+n, fmt.Sprintf("%s/%d", dir, worker), false, failed.Load, traces)
				if err != nil && !failed.Swap(true) {
					t.Error(err)
				}
				total.add(sum)
			}
		})
	}
	wg.Wait()
	traces.check(t)
	t.Logf("%d plays from seed %d:\n%s", plays, seed, &total)
	for _, what := range ends(plays, total.count[byHandPlays]) {
		if total.count[what] == 0 {
			t.Errorf("no play has come to %q: the simulation does not see it", what)
		}
	}
}

// once plays one seed. sum is what the play came to, for the tally.
func once(seed uint64, dir string, verbose bool, over func() bool, g *golden) (sum map[string]int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p := newPlay(seed, dir, 1+int(seed%2), verbose)
	p.over = over
	defer p.end()
	defer func() {
		if err != nil {
			err = fmt.Errorf("play %d: %w\nreplay: SIM_PLAY=%d go test ./test/simulate -run Simulated -v", seed, err, seed)
		}
	}()
	defer recoverFailure(p, &err)
	p.run(stepsOfPlay/2 + p.random.IntN(stepsOfPlay))
	if seed > goldens {
		return p.result, nil
	}
	return p.result, g.add(seed, p.fullTrace())
}

// recoverFailure makes an error of the panic that ended a play, with the last lines of its trace, and with the
// stack unless a check failed.
func recoverFailure(p *play, err *error) {
	if x := recover(); x != nil {
		at := ""
		if _, known := x.(failure); !known {
			at = "\n" + string(debug.Stack())
		}
		*err = fmt.Errorf("%v%s\n%s", x, at, tail(p.trace.String(), 60))
	}
}

// tail is the last lines of a text.
func tail(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// TestI4EveryDeath: the daemon dies before and after each of its calls (at each edge) in turn, while it deals with
// one call that deletes flow logs. It learns of the deletion by a record, or by a refresh that waits for the record
// or does not. AWS allows doubles, so that a create too many shows. With SIM_AGAIN=n it dies once more, at each of
// the first n edges after its restart.
func TestI4EveryDeath(t *testing.T) {
	t.Parallel()
	again := int(number(t, "SIM_AGAIN", 0))
	for name, l := range map[string]loss{
		"event": {byRecord: true, deleted: 1}, "drift": {deleted: 1}, "drift at once": {atOnce: true, deleted: 1},
		"drift at once, and back within a second": {atOnce: true, backSoon: true, deleted: 1},
		"several by one event":                    {byRecord: true, deleted: 4}, "several by one drift": {deleted: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edges, runs := 0, 0
			for died := true; died; edges++ {
				for second := -1; second < again; second++ {
					var err error
					if died, err = dying(t.TempDir(), l, edges, second); err != nil {
						t.Fatalf("dead at edge %d, and then at edge %d: %v", edges, second, err)
					}
					runs++
				}
			}
			t.Logf("%d edges, %d runs", edges-1, runs)
			if edges < 20 {
				t.Errorf("the daemon passed %d edges, want at least 20: the test does not see all calls", edges)
			}
		})
	}
}

// loss is one call that deletes flow logs, and how the daemon learns of it.
type loss struct {
	byRecord bool // by the record of the call; false: by a refresh
	atOnce   bool // a refresh does not wait for the record
	backSoon bool // the daemon starts again a second after its death; false: after minutes, when alerts are due
	deleted  int
}

// dying plays one call that deletes flow logs. The daemon dies at the edge first and, after its restart, at the
// edge second (negative: it does not). died reports whether it passed as many edges as first.
func dying(dir string, l loss, first, second int) (died bool, err error) {
	p := newPlay(7, dir, 1, false)
	if l.atOnce { // as where no rule could excuse the loss
		p.policy.DriftWait = 0
		p.daemons[0].remediator.Policy = p.policy
	}
	defer p.end()
	defer recoverFailure(p, &err)
	p.world.AllowDuplicates(true)
	p.refreshAll()
	p.pass(time.Hour)
	p.refreshAll()
	p.deleteSome(p.attacker, l.deleted)
	if l.byRecord {
		p.send(false)
	} else {
		p.loseRecord()
	}
	d := p.daemons[0]
	for n, edge := range []int{first, second} {
		d.edgesLeft = edge
		for range 8 {
			p.round(d)
			if d.dead && l.backSoon {
				p.pass(time.Second)
				break
			}
			p.pass(2 * time.Minute)
		}
		died = died || n == 0 && d.dead
		d.alive()
	}
	p.heal()
	p.checkAtEnd()
	p.checkPagersClosed()
	return died, nil
}
