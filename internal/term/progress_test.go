package term

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgress: two seconds of silence, a line that makes room for what is
// written, and nothing left of it at the end.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		o := newOutput(&screen, 80)
		o.StderrTerminal = true
		p := o.Progress("refreshing", 3)
		time.Sleep(patience - time.Millisecond)
		if screen.Len() > 0 {
			t.Errorf("too early: %q", screen.String())
		}
		p.Step()
		time.Sleep(time.Second)
		synctest.Wait()
		fmt.Fprint(o.Stdout, "half a ")
		time.Sleep(patience)
		fmt.Fprintln(o.Stdout, "line")
		time.Sleep(patience)
		synctest.Wait()
		p.End()
		line := func(s int) string { return fmt.Sprintf("refreshing: 1 of 3, %d s", s) }
		gone := "\r" + strings.Repeat(" ", len(line(2))) + "\r"
		if want := line(2) + gone + "half a line\n" + line(6) + gone; screen.String() != want {
			t.Errorf("%q instead of %q", screen.String(), want)
		}
	})
}

// TestNoProgressIntoFiles: who reads stderr later wants none.
func TestNoProgressIntoFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newOutput(&out, 0).Progress("refreshing", 0)
		time.Sleep(time.Minute)
		p.End()
		if out.Len() > 0 {
			t.Errorf("%q", out.String())
		}
	})
}
