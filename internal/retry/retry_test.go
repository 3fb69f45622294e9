package retry_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/internal/retry"
)

func ExampleBackoff() {
	b := retry.Backoff{First: time.Second, Most: 10 * time.Second}
	for n := range 6 {
		fmt.Print(b.Pause(n), " ")
	}
	fmt.Println(b.Jittered(1, 0.5))
	// Output: 1s 2s 4s 8s 10s 10s 1s
}

func TestPause(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		b    retry.Backoff
		n    int
		want time.Duration
	}{
		"zero value":       {retry.Backoff{}, 5, 0},
		"negative":         {retry.Backoff{First: time.Second, Most: time.Minute}, -3, time.Second},
		"first":            {retry.Backoff{First: time.Second, Most: time.Minute}, 0, time.Second},
		"doubled":          {retry.Backoff{First: time.Second, Most: time.Minute}, 5, 32 * time.Second},
		"bounded":          {retry.Backoff{First: time.Second, Most: time.Minute}, 6, time.Minute},
		"exactly the most": {retry.Backoff{First: time.Second, Most: 8 * time.Second}, 3, 8 * time.Second},
		"no growth":        {retry.Backoff{First: time.Second, Most: time.Second}, 9, time.Second},
		"many failures":    {retry.Backoff{First: time.Second, Most: time.Minute}, math.MaxInt, time.Minute},
		"no overflow":      {retry.Backoff{First: time.Second, Most: math.MaxInt64}, 100, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.b.Pause(c.n); got != c.want {
				t.Errorf("Pause(%d) = %s, want %s", c.n, got, c.want)
			}
		})
	}
}

// A pause is never shorter than the one before, and a jittered pause is never longer than the pause.
func TestPauseProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "first"))
		b := retry.Backoff{First: first, Most: time.Duration(rapid.Int64Range(int64(first), math.MaxInt64).Draw(t, "most"))}
		n := rapid.IntRange(-1, 200).Draw(t, "n")
		random := rapid.Float64Range(0, 0.999).Draw(t, "random")
		pause := b.Pause(n)
		if pause < b.First || pause > b.Most || b.Pause(n+1) < pause {
			t.Fatalf("%+v: Pause(%d) = %s, the next %s", b, n, pause, b.Pause(n+1))
		}
		if d := b.Jittered(n, random); d < 0 || d > pause {
			t.Fatalf("%+v: Jittered(%d, %v) = %s of %s", b, n, random, d, pause)
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for name, c := range map[string]struct {
		d, woken, ends time.Duration // the pause, and when it is woken and the context ends; 0: never
		took           time.Duration
		lives          bool
	}{
		"the whole time":                  {d: minute, took: minute, lives: true},
		"nothing":                         {d: 0, lives: true},
		"less than nothing":               {d: -minute, lives: true},
		"woken":                           {d: minute, woken: time.Second, took: time.Second, lives: true},
		"the context ends":                {d: minute, ends: time.Second, took: time.Second},
		"forever, until woken":            {d: retry.Forever, woken: 1000 * time.Hour, took: 1000 * time.Hour, lives: true},
		"forever, until the context ends": {d: retry.Forever, ends: 1000 * time.Hour, took: 1000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var wake chan struct{}
				if c.woken > 0 {
					wake = make(chan struct{})
					time.AfterFunc(c.woken, func() { close(wake) })
				}
				if c.ends > 0 {
					time.AfterFunc(c.ends, cancel)
				}
				begun := time.Now()
				lives := retry.Wait(ctx, c.d, wake)
				if took := time.Since(begun); took != c.took || lives != c.lives {
					t.Errorf("took %s, lives %v; want %s, %v", took, lives, c.took, c.lives)
				}
			})
		})
	}
}

// If the time is over and the context has ended too, Sleep returns false.
func TestSleepAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if retry.Sleep(ctx, 0) {
			t.Fatal("the context has ended, and Sleep returns true")
		}
	}
}
