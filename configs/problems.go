package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// place of a key: its file and line, or the variable that sets it.
func (l *loader) place(key string) (file string, line int) {
	for _, s := range l.scalars {
		if _, set := l.env[s.env]; set && s.key == key {
			return "environment " + s.env, 0
		}
	}
	for k := key; k != ""; k = parent(k) {
		if n, ok := l.lines[k]; ok {
			return l.file, n
		}
	}
	return l.file, 0
}

// parent of alerts[1].url is alerts[1], and of that alerts.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// problem notes that a key's value is wrong. Only the first problem of a value
// counts, and none of what is beneath it: it was not even looked at.
func (l *loader) problem(key, value, format string, args ...any) {
	if _, unread := l.left[key]; unread {
		return // not missing: elsewhere
	}
	file, line := l.place(key)
	p := Problem{File: file, Line: line, Key: key, Value: shown(key, value), Message: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = parent(k) {
		i, known := l.told[file+"\x00"+k]
		if known && k == key && l.soft[i] {
			delete(l.soft, i)
			l.problems[i] = p
		}
		if known {
			return
		}
	}
	l.told[file+"\x00"+key] = len(l.problems)
	l.problems = append(l.problems, p)
}

// failed is the error, in the order of the file; what is not in it comes last.
func (l *loader) failed() error {
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		return a.Line - b.Line
	})
	p := Problems(l.problems)
	return &p
}

// Problem is one thing wrong with the configuration.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Value   string `json:"value,omitempty"` // never a secret
	Message string `json:"message"`         // what is wrong, and what to write instead

	err error // what errors.Is finds
}

// String is one line of printable text (I12).
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(printable(p.File))
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(printable(p.Key))
		if p.Value == hidden {
			b.WriteString(" " + hidden)
		} else if p.Value != "" {
			fmt.Fprintf(&b, " %q", p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(printable(p.Message))
	return b.String()
}

// printable is s with everything escaped that is no visible text.
func printable(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strconv.IsPrint(c) {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
		}
	}
	return b.String()
}

// Problems is everything wrong with the configuration.
type Problems []Problem

func (p *Problems) Error() string {
	lines := make([]string, len(*p))
	for n, x := range *p {
		lines[n] = x.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the causes that callers may ask for.
func (p *Problems) Unwrap() []error {
	var errs []error
	for _, x := range *p {
		if x.err != nil {
			errs = append(errs, x.err)
		}
	}
	return errs
}

// Warning is something that works, but deserves a second thought.
type Warning string
