package term

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"flowkeeper/alert"
)

// maxText is how much of a foreign text is printed, in characters.
const maxText = 1000

// Clean makes foreign text safe for a terminal (I12).
func Clean(s string) string { return alert.Clean(s, maxText) }

// Output is where a command prints. Stdout is buffered; the zero value of the rest is
// right for files and pipes. It is not safe for concurrent use.
type Output struct {
	Stdout, Stderr io.Writer
	Terminal       bool // stdout is one
	StderrTerminal bool // stderr is one
	Columns        int  // of the terminal; 0: not known
	Color          bool // results are coloured
	JSON           bool // results are JSON lines

	buffer *bufio.Writer // of Stdout, see out
	failed error         // the first result that could not be added
}

func (o *Output) out() *bufio.Writer {
	if o.buffer == nil {
		o.buffer = bufio.NewWriter(stdout{o})
	}
	return o.buffer
}

// stdout writes to the present value of Stdout: a Progress replaces Stdout while it runs.
type stdout struct{ o *Output }

func (s stdout) Write(p []byte) (int, error) { return s.o.Stdout.Write(p) }

// Write adds to the results. Like Printf, Object and a table, it keeps an error for Flush.
func (o *Output) Write(p []byte) (int, error) { return o.out().Write(p) }

// Printf adds text to the results; the text must be clean (see Clean).
func (o *Output) Printf(format string, args ...any) { fmt.Fprintf(o, format, args...) }

// Flush writes the results so far. A failed write, as on a full disk, is an error.
func (o *Output) Flush() error {
	if err := cmp.Or(o.failed, o.out().Flush()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Object adds a result as JSON, on a line of its own.
func (o *Output) Object(v any) { o.failed = cmp.Or(o.failed, WriteJSON(o, v)) }

// Result adds an object with JSON, else a line of text, which must be clean.
func (o *Output) Result(v any, format string, args ...any) {
	if o.JSON {
		o.Object(v)
	} else {
		o.Printf(format+"\n", args...)
	}
}

// Note writes a line to stderr, after the results so far.
func (o *Output) Note(format string, args ...any) {
	_ = o.Flush() // the error comes again at the next Flush
	fmt.Fprintf(o.Stderr, format+"\n", args...)
}

// WriteJSON writes one object on one line.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(EscapeInvisible(b.Bytes()))
	return err
}

// EscapeInvisible writes the characters that JSON allows but that a terminal may obey
// (DEL, C1 controls, bidi overrides) as \u escapes: the same JSON, safe to print (I12).
// Outside strings JSON has none of them.
func EscapeInvisible(in []byte) []byte {
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

// Color is an ANSI escape's number; zero: none.
type Color int

// The colours of results.
const (
	Bold   Color = 1
	Dim    Color = 2
	Red    Color = 31
	Green  Color = 32
	Yellow Color = 33
)

// Colors reports whether results are to be coloured: on a terminal that knows them,
// unless the user does not want it (no-color.org, bixense.com/clicolors).
func Colors(terminal bool, getenv func(string) string) bool {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return terminal && getenv("CLICOLOR") != "0" && getenv("TERM") != "dumb"
}

// Paint colours a clean text, if results are coloured.
func (o *Output) Paint(s string, c Color) string {
	if !o.Color || c == 0 || s == "" {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, s)
}
