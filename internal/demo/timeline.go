package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/term"
)

// timeline is a sink that prints each alert when it is sent, and the story between
// them. It is safe for concurrent use.
type timeline struct {
	begun time.Time
	stop  func() // ends the demo; called when nothing can be printed any more

	mu     sync.Mutex // guards what follows
	out    *term.Output
	err    error // of the first write that failed; read it without mu after the demo has ended
	counts map[alert.Kind]int
	called time.Time // when DeleteFlowLogs was last called: records have whole seconds only
}

func newTimeline(out *term.Output, stop func()) *timeline {
	return &timeline{out: out, stop: stop, begun: time.Now(), counts: map[alert.Kind]int{}}
}

// flush writes what was printed. If its reader has gone, or the disk is full, the
// demo ends. The caller holds mu.
func (t *timeline) flush() {
	if err := t.out.Flush(); err != nil && t.err == nil {
		t.err = err
		t.stop()
	}
}

// print prints an object with JSON, else what text prints.
func (t *timeline) print(object any, text func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.flush()
	if t.out.JSON {
		t.out.Object(object)
	} else {
		text()
	}
}

// say prints what happens next.
func (t *timeline) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.print(map[string]any{"time": alert.Time{Time: time.Now()}, "story": text}, func() {
		t.out.Printf("\n%s %s\n", t.clock(), t.out.Paint(text, term.Bold))
	})
}

// clock is how long the demo has run.
func (t *timeline) clock() string {
	return t.out.Paint(fmt.Sprintf("%6.3fs", time.Since(t.begun).Seconds()), term.Dim)
}

// markCall notes the time of a call to DeleteFlowLogs, just before it is made.
func (t *timeline) markCall() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.called = time.Now()
}

// sinceCall is how long ago the last call to DeleteFlowLogs was. The caller holds mu.
func (t *timeline) sinceCall() string {
	return fmt.Sprintf("%d ms", time.Since(t.called).Milliseconds())
}

// Send implements sink.Sink.
func (t *timeline) Send(_ context.Context, a alert.Alert) error {
	t.print(struct {
		Time  alert.Time  `json:"time"`
		Alert alert.Alert `json:"alert"`
	}{alert.Time{Time: time.Now()}, a}, func() { t.printAlert(a) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[a.Kind]++
	return nil
}

func (t *timeline) printAlert(a alert.Alert) {
	color := map[alert.Kind]term.Color{alert.Deletion: term.Red, alert.Attempt: term.Yellow, alert.Restored: term.Green}[a.Kind]
	if color == 0 {
		color = term.Dim
	}
	t.out.Printf("%s %s %s\n", t.clock(), t.out.Paint(fmt.Sprintf("%-8s", strings.ToUpper(string(a.Kind))), color), title(a))
	switch a.Kind {
	case alert.Deletion, alert.Attempt:
		t.detail("%s; alerted %s after the call", who(a), t.sinceCall())
		for _, f := range append(a.FlowLogs, a.FailedFlowLogs...) {
			t.detail("%s  %s  to %s  (%s)", f.FlowLogID, f.ResourceID, term.ShortARN(f.Destination), f.Tags["Name"])
		}
	case alert.Restored:
		for _, f := range a.FlowLogs {
			if f.NewFlowLogID != "" {
				t.detail("%s  back as %s, %s after the call", f.FlowLogID, f.NewFlowLogID, t.sinceCall())
			}
		}
	}
}

// title is an alert's title without how long nothing was recorded: that is in whole
// seconds, and the details have it in milliseconds.
func title(a alert.Alert) string {
	what, rest, found := strings.Cut(a.Title, " after a gap of ")
	if _, where, ok := strings.Cut(rest, " in "); found && ok {
		return what + " in " + where
	}
	return a.Title
}

// detail prints a line below an alert, wrapped where the terminal ends.
func (t *timeline) detail(format string, args ...any) {
	const indent, hanging = 17, 2
	room := 0
	if t.out.Columns > 0 {
		room = max(1, t.out.Columns-indent-hanging)
	}
	lines := term.Wrap(fmt.Sprintf(format, args...), room)
	t.out.Printf("%*s%s\n", indent, "", strings.Join(lines, "\n"+strings.Repeat(" ", indent+hanging)))
}

// who says who made the call, from where, and whether with MFA.
func who(a alert.Alert) string {
	if a.Actor == nil {
		return "actor unknown: found by the refresh, without an event"
	}
	return fmt.Sprintf("by %s from %s, MFA %s", alert.Clean(a.Actor.Name(), 100), alert.Clean(a.Actor.SourceIP, 50), a.Actor.MFAWords())
}

// count is how many alerts of a kind were sent.
func (t *timeline) count(k alert.Kind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[k]
}

// wait waits until n alerts of a kind were sent.
func (t *timeline) wait(ctx context.Context, k alert.Kind, n int) error {
	return waitUntil(ctx, fmt.Sprintf("alert %d of kind %s", n, k), func() bool { return t.count(k) >= n })
}

// summary is the last line with JSON.
type summary struct {
	FlowLogs  int     `json:"flow_logs"`
	Identical int     `json:"identical"`
	Seconds   float64 `json:"seconds"`
}

// result prints each flow log before and after the attack. It returns ErrNotRestored
// if one differs.
func (t *timeline) result(rows []row) error {
	sum := summary{FlowLogs: len(rows), Seconds: time.Since(t.begun).Seconds()}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.flush()
	if !t.out.JSON {
		t.out.Printf("\n")
	}
	table := t.out.Table(term.Whole("RESOURCE"), term.Whole("DESTINATION").OrDrop(1), term.Whole("BEFORE").OrDrop(2), term.Whole("AFTER"), term.Whole("SETTINGS AND TAGS"))
	for _, r := range rows {
		after, outcome := r.After, strings.Join(r.Differences, "; ")
		if after == r.Before {
			after = "untouched"
		}
		if r.Identical {
			sum.Identical++
			outcome = fmt.Sprintf("identical (%d)", r.Compared)
		}
		table.Add(map[string]row{"result": r}, r.Resource, term.ShortARN(r.Destination), r.Before, after, outcome)
	}
	table.Flush()
	t.out.Result(map[string]summary{"summary": sum}, "\n%d of %d flow logs are as they were, in %.1f s.", sum.Identical, sum.FlowLogs, sum.Seconds)
	if sum.Identical != sum.FlowLogs {
		return ErrNotRestored
	}
	return nil
}
