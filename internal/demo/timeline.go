package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"flowkeeper/alert"
)

// timeline is a sink like any other: it shows each alert as it comes.
type timeline struct {
	o     Options
	begun time.Time

	mu     sync.Mutex // guards what follows
	counts map[alert.Kind]int
	struck time.Time // the last deletion: records count whole seconds, the demo more exactly
}

func newTimeline(o Options) *timeline {
	return &timeline{o: o, begun: time.Now(), counts: map[alert.Kind]int{}}
}

const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	dim    = "\x1b[2m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

func (t *timeline) paint(color, s string) string {
	if !t.o.Color {
		return s
	}
	return color + s + plain
}

// say prints what the story does next.
func (t *timeline) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.o.JSON {
		t.line(map[string]any{"time": alert.Time{Time: time.Now()}, "story": text})
		return
	}
	fmt.Fprintf(t.o.Out, "\n%s %s\n", t.clock(), t.paint(bold, text))
}

// strikes notes the moment of a deletion.
func (t *timeline) strikes() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.struck = time.Now()
}

func (t *timeline) since() string {
	return fmt.Sprintf("%d ms", time.Since(t.struck).Milliseconds())
}

func (t *timeline) clock() string {
	return t.paint(dim, fmt.Sprintf("%6.3fs", time.Since(t.begun).Seconds()))
}

func (t *timeline) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("demo: not a plain value: " + err.Error())
	}
	fmt.Fprintf(t.o.Out, "%s\n", b)
}

// Send implements sink.Sink.
func (t *timeline) Send(_ context.Context, a alert.Alert) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[a.Kind]++
	if t.o.JSON {
		t.line(struct {
			Time  alert.Time  `json:"time"`
			Alert alert.Alert `json:"alert"`
		}{alert.Time{Time: time.Now()}, a})
		return nil
	}
	t.show(a)
	return nil
}

func (t *timeline) show(a alert.Alert) {
	color := map[alert.Kind]string{alert.Deletion: red, alert.Attempt: yellow, alert.Restored: green}[a.Kind]
	if color == "" {
		color = dim
	}
	fmt.Fprintf(t.o.Out, "%s %s %s\n", t.clock(), t.paint(color, fmt.Sprintf("%-8s", strings.ToUpper(string(a.Kind)))), title(a))
	switch a.Kind {
	case alert.Deletion, alert.Attempt:
		t.detail("%s; alerted %s after the call", who(a), t.since())
		for _, f := range append(a.FlowLogs, a.FailedFlowLogs...) {
			t.detail("%s  %s  to %s  (%s)", f.FlowLogID, f.ResourceID, short(f.Destination), f.Tags["Name"])
		}
	case alert.Restored:
		for _, f := range a.FlowLogs {
			if f.NewFlowLogID != "" {
				t.detail("%s  back as %s, %s after the call", f.FlowLogID, f.NewFlowLogID, t.since())
			}
		}
	}
}

// title leaves out how long it was blind: a record's time counts whole seconds,
// and the lines beneath know it to the millisecond.
func title(a alert.Alert) string {
	what, rest, found := strings.Cut(a.Title, ", blind for ")
	if _, where, ok := strings.Cut(rest, " in "); found && ok {
		return what + " in " + where
	}
	return a.Title
}

const indent = 17 // of details

// detail prints a line, and goes on beneath it where the terminal ends.
func (t *timeline) detail(format string, args ...any) {
	line := ""
	for word := range strings.SplitSeq(fmt.Sprintf(format, args...), " ") {
		if t.o.Columns > 0 && line != "" && indent+len(line)+1+len(word) > t.o.Columns {
			fmt.Fprintf(t.o.Out, "%*s%s\n", indent, "", line)
			line = "  " + word
			continue
		}
		if line != "" || word == "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintf(t.o.Out, "%*s%s\n", indent, "", line)
}

// who did it, from where, with MFA or not.
func who(a alert.Alert) string {
	if a.Actor == nil {
		return "actor unknown: found by the refresh, without an event"
	}
	return fmt.Sprintf("by %s from %s, MFA %s", alert.Clean(a.Actor.Name(), 100), alert.Clean(a.Actor.SourceIP, 50), a.Actor.MFAWords())
}

func (t *timeline) count(k alert.Kind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[k]
}

func (t *timeline) wait(ctx context.Context, k alert.Kind, n int) error {
	return until(ctx, fmt.Sprintf("alert %d of kind %s", n, k), func() bool { return t.count(k) >= n })
}

// table shows each flow log before and after, and judges.
func (t *timeline) table(rows []Row) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	identical := 0
	for _, r := range rows {
		if r.Identical {
			identical++
		}
		if t.o.JSON {
			t.line(struct {
				Result Row `json:"result"`
			}{r})
		}
	}
	took := time.Since(t.begun).Seconds()
	if t.o.JSON {
		t.line(struct {
			Summary summary `json:"summary"`
		}{summary{len(rows), identical, took}})
	} else {
		t.print(rows)
		fmt.Fprintf(t.o.Out, "\n%d of %d flow logs are as they were, in %.1f s.\n", identical, len(rows), took)
	}
	if identical != len(rows) {
		return ErrNotRestored
	}
	return nil
}

// summary is the last line for machines.
type summary struct {
	FlowLogs  int     `json:"flow_logs"`
	Identical int     `json:"identical"`
	Seconds   float64 `json:"seconds"`
}

// wholeTable is how wide the table is with all its columns.
const wholeTable = 116

func (t *timeline) print(rows []Row) {
	fmt.Fprintln(t.o.Out)
	w := tabwriter.NewWriter(t.o.Out, 0, 0, 2, ' ', 0)
	narrow := t.o.Columns > 0 && t.o.Columns < wholeTable
	if narrow {
		fmt.Fprintln(w, "RESOURCE\tIN ITS PLACE\tSETTINGS AND TAGS")
	} else {
		fmt.Fprintln(w, "RESOURCE\tDESTINATION\tBEFORE\tAFTER\tSETTINGS AND TAGS")
	}
	for _, r := range rows {
		after := r.After
		if after == r.Before {
			after = "untouched"
		}
		verdict := fmt.Sprintf("identical (%d)", r.Compared)
		if !r.Identical {
			verdict = strings.Join(r.Differences, "; ")
		}
		if narrow {
			fmt.Fprintf(w, "%s\t%s\t%s\n", r.Resource, after, verdict)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Resource, short(r.Destination), r.Before, after, verdict)
	}
	w.Flush()
}
