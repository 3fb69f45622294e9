package term

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgress: for two seconds nothing is shown, then a line of progress. The line is cleared before other output, and
// at the end.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		o := newOutput(&screen, 80)
		o.StderrTerminal = true
		p := o.Progress("refreshing", 3)
		time.Sleep(renewEvery - time.Millisecond)
		if screen.Len() > 0 {
			t.Errorf("too early: %q", screen.String())
		}
		p.Step()
		time.Sleep(time.Second)
		synctest.Wait()
		fmt.Fprint(o.Stdout, "half a ")
		time.Sleep(renewEvery)
		fmt.Fprintln(o.Stdout, "line")
		time.Sleep(renewEvery)
		synctest.Wait()
		p.End()
		line := func(s int) string { return fmt.Sprintf("refreshing: 1 of 3, %d s", s) }
		gone := "\r" + strings.Repeat(" ", len(line(2))) + "\r"
		if want := line(2) + gone + "half a line\n" + line(6) + gone; screen.String() != want {
			t.Errorf("%q, want %q", screen.String(), want)
		}
	})
}

// TestNoProgressIntoFiles: if stderr is no terminal, there is no progress.
func TestNoProgressIntoFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newOutput(&out, 0).Progress("refreshing", 0)
		time.Sleep(time.Minute)
		p.End()
		if out.Len() > 0 {
			t.Errorf("%q, want nothing", out.String())
		}
	})
}

// TestProgressOf: a line of progress may have a text of the command's own instead of a count.
func TestProgressOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		o := newOutput(&screen, 80)
		o.StderrTerminal = true
		p := o.ProgressOf("reading", func() string { return "2 files, 3 MiB" })
		p.Step()
		time.Sleep(renewEvery)
		synctest.Wait()
		p.End()
		if line := "reading: 2 files, 3 MiB, 2 s"; !strings.HasPrefix(screen.String(), line) {
			t.Errorf("%q", screen.String())
		}
	})
}
