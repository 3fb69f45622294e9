package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// report collects problems, and knows where each value was written.
type report struct {
	file          string            // as problems name it
	lines         map[string]int    // of each key in the file
	variables     map[string]string // the variable that sets a key, by key
	unreadSecrets map[string]string // the files of the secrets that stay unread, by the secret's key
	problems      []Problem
	reported      map[place]int // index of a value's problem
}

// place is where a value is. A value has at most one problem.
type place struct{ file, key string }

// placeOf returns where the value of a key is: file and line, or the variable that sets it.
func (r *report) placeOf(key string) (file string, line int) {
	if env, set := r.variables[key]; set {
		return "environment " + env, 0
	}
	for k := key; k != ""; k = parent(k) {
		if n, ok := r.lines[k]; ok {
			return r.file, n
		}
	}
	return r.file, 0
}

// written reports whether the file has a key.
func (r *report) written(key string) bool {
	_, set := r.lines[key]
	return set
}

// parent returns the key above a key: alerts[1] for alerts[1].url, alerts for alerts[1], nothing for alerts.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// problem adds a problem of a key's value. It adds none if the value, or one above it, has a
// problem already: what is below a wrong value was not checked.
func (r *report) problem(key, value, format string, args ...any) {
	if _, unread := r.unreadSecrets[key]; unread {
		return // its value is not known
	}
	file, line := r.placeOf(key)
	p := Problem{File: file, Line: line, Key: key, Value: shown(key, value), Message: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = parent(k) {
		if i, known := r.reported[place{file, k}]; known {
			if k == key && r.problems[i].replaceable {
				r.problems[i] = p
			}
			return
		}
	}
	r.reported[place{file, key}] = len(r.problems)
	r.problems = append(r.problems, p)
}

// fileProblem adds a problem of the file itself or of one of its keys, which is shown as it is.
func (r *report) fileProblem(line int, key, message string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Key: key, Message: message})
}

// faulty reports whether a list, or something in it, has a problem. Other values are not
// compared with such a list.
func (r *report) faulty(list string) bool {
	for at := range r.reported {
		if at.key == list || strings.HasPrefix(at.key, list+"[") {
			return true
		}
	}
	return false
}

// failed returns the problems as an error, in the order of their lines; those without a line
// come last.
func (r *report) failed() error {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		return a.Line - b.Line
	})
	p := Problems(r.problems)
	return &p
}

// Problem is one thing wrong with the configuration.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Value   string `json:"value,omitempty"` // never a secret
	Message string `json:"message"`         // what is wrong, and what to write instead

	replaceable bool // another problem of the same value is shown instead
}

// String returns one line of printable text (I12).
func (p Problem) String() string {
	at, key := printable(p.File), printable(p.Key)
	if p.Line > 0 {
		at += fmt.Sprintf(":%d", p.Line)
	}
	if p.Value == hidden {
		key += " " + hidden
	} else if p.Value != "" {
		key += fmt.Sprintf(" %q", p.Value)
	}
	parts := slices.DeleteFunc([]string{at, key, printable(p.Message)}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
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
