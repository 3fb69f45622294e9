package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
)

// maxText is how much of a foreign text is printed, in characters.
const maxText = 1000

// clean makes foreign text safe for a terminal (I12).
func clean(s string) string { return alert.Clean(s, maxText) }

// out is stdout, buffered. Its errors show when it is flushed.
func (a *app) out() *bufio.Writer {
	if a.buffer == nil {
		a.buffer = bufio.NewWriter(stdout{a})
	}
	return a.buffer
}

// stdout writes to the app's stdout of the moment: progress replaces it for a time.
type stdout struct{ a *app }

func (s stdout) Write(p []byte) (int, error) { return s.a.stdout.Write(p) }

// flush writes what is buffered. A failed write, as on a full disk, is an error.
func (a *app) flush() error {
	if err := a.out().Flush(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// object prints a result as JSON, on a line of its own.
func (a *app) object(v any) error { return writeJSON(a.out(), v) }

// result prints an object with --json, else a line of text.
func (a *app) result(v any, format string, args ...any) error {
	if a.json {
		return a.object(v)
	}
	_, err := fmt.Fprintf(a.out(), format+"\n", args...)
	return err
}

func (a *app) jsonFlag(c *cobra.Command, what string) {
	c.Flags().BoolVar(&a.json, "json", false, what)
}

// note writes a line to stderr, after the results so far.
func (a *app) note(format string, args ...any) {
	_ = a.flush() // the error comes again at the next flush
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// writeJSON writes one object on one line.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeInvisible(b.Bytes()))
	return err
}

// escapeInvisible writes the marks that JSON lets pass but that a terminal
// may obey (DEL, C1 controls, bidi overrides) as \u escapes: the same JSON,
// and nothing in it acts (I12). Beyond ASCII they can only be in strings.
func escapeInvisible(in []byte) []byte {
	var out []byte
	for i := 0; i < len(in); {
		r, size := utf8.DecodeRune(in[i:])
		if r < 0x7f || unicode.IsPrint(r) {
			out = append(out, in[i:i+size]...)
		} else if hi, lo := utf16.EncodeRune(r); hi != unicode.ReplacementChar {
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return out
}

// ago is a time relative to now.
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := a.now().Sub(t)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// when is a time with its date, and how long ago it is.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + " (" + a.ago(t) + ")"
}

// minute is a time to the minute.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span is a length of time in one unit.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// tidy is a duration without units that are zero: 2h, not 2h0m0s.
func tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// plural counts things: 1 flow log, 2 flow logs, 2 tries.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// color is an ANSI escape's number; zero: none.
type color int

const (
	bold   color = 1
	dim    color = 2
	red    color = 31
	green  color = 32
	yellow color = 33
)

// colors reports whether results are coloured: on a terminal that knows them,
// unless the user does not want it (no-color.org, bixense.com/clicolors).
func (a *app) colors() bool {
	force := a.getenv("CLICOLOR_FORCE")
	switch {
	case a.getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return a.terminal && a.getenv("CLICOLOR") != "0" && a.getenv("TERM") != "dumb"
}

func (a *app) getenv(name string) string {
	for _, kv := range a.environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

// paint colours a text that is already clean.
func paint(on bool, c color, s string) string {
	if !on || c == 0 || s == "" {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, s)
}
