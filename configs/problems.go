package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// place is where a value is, for which there is at most one problem.
type place struct{ file, key string }

// placeOf returns where the value of a key is: file and line, or the variable that sets it.
func (l *loader) placeOf(key string) (file string, line int) {
	if env, set := l.variables[key]; set {
		return "environment " + env, 0
	}
	for k := key; k != ""; k = parent(k) {
		if n, ok := l.lines[k]; ok {
			return l.file, n
		}
	}
	return l.file, 0
}

// written reports whether the file has a key.
func (l *loader) written(key string) bool {
	_, set := l.lines[key]
	return set
}

// parent returns the key above: of alerts[1].url alerts[1], of that alerts, of that nothing.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// problem adds a problem of a key's value. It adds none if the value, or one above it, has a
// problem already: what is below a wrong value was not checked.
func (l *loader) problem(key, value, format string, args ...any) {
	if _, unread := l.unreadSecrets[key]; unread {
		return // its value is not known
	}
	file, line := l.placeOf(key)
	p := Problem{File: file, Line: line, Key: key, Value: shown(key, value), Message: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = parent(k) {
		if i, known := l.reported[place{file, k}]; known {
			if k == key && l.problems[i].replaceable {
				l.problems[i] = p
			}
			return
		}
	}
	l.reported[place{file, key}] = len(l.problems)
	l.problems = append(l.problems, p)
}

// fileProblem adds a problem of the file itself or of one of its keys, which is shown as it is.
func (l *loader) fileProblem(line int, key, message string) {
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Key: key, Message: message})
}

// faulty reports whether a list, or something in it, has a problem. Other values are not
// compared with such a list.
func (l *loader) faulty(list string) bool {
	for at := range l.reported {
		if at.key == list || strings.HasPrefix(at.key, list+"[") {
			return true
		}
	}
	return false
}

// failed returns the problems as an error, in the order of their lines; those without a line
// come last.
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

	err         error // what errors.Is finds
	replaceable bool  // another problem of the same value is shown instead
}

// String returns one line of printable text (I12).
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

// Unwrap returns the causes of problems that have one.
func (p *Problems) Unwrap() []error {
	var errs []error
	for _, x := range *p {
		if x.err != nil {
			errs = append(errs, x.err)
		}
	}
	return errs
}
