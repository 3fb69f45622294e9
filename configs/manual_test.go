package configs

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestManual: docs/configuration.md and flowkeeper.yaml(5) have the comments of the example file.
// `go test ./configs -run Manual -update` writes both.
func TestManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("flowkeeper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := readManual(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.sections {
		for _, e := range append([]entry{s}, s.keys...) {
			if len(e.comment) == 0 {
				t.Errorf("%s has no comment above it: the manual would say nothing about it", e.key)
			}
		}
	}
	for file, want := range map[string]string{
		"../docs/configuration.md":           m.markdown(),
		"../packaging/man/flowkeeper.yaml.5": m.roff(),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); d != "" {
			t.Errorf("%s differs from the comments of flowkeeper.yaml; run go test ./configs -run Manual -update\n%s", file, d)
		}
	}
}

func TestReadManual(t *testing.T) {
	t.Parallel()
	m, err := readManual(`# Head,
# in two lines.
#
#   flowkeeper check   finds mistakes
#                      in a file

# About the log.
log:
  # One of:
  #   debug
  #   info
  # and no other.
  #level: warn
  level: info
`)
	if err != nil {
		t.Fatal(err)
	}
	want := manual{
		head: []part{{kind: words, lines: []string{"Head, in two lines."}}, {kind: terms, lines: []string{"flowkeeper check", "finds mistakes in a file"}}},
		sections: []entry{{
			key: "log", comment: []part{{kind: words, lines: []string{"About the log."}}},
			keys: []entry{{
				key: "log.level", value: "info", what: "text", env: "FLOWKEEPER_LOG_LEVEL",
				comment: []part{
					{kind: words, lines: []string{"One of:"}}, {kind: verbatim, lines: []string{"debug", "info"}},
					{kind: words, lines: []string{"and no other."}}, {kind: verbatim, lines: []string{"log:", "  level: warn"}},
				},
			}},
		}},
	}
	if d := cmp.Diff(want, m, cmp.AllowUnexported(manual{}, entry{}, part{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// manual is the content of the example's comments.
type manual struct {
	head     []part
	sections []entry
}

// entry is a section, a list at the top, or a key of a section.
type entry struct {
	key     string // "queue.url"
	value   string // the default, as the example writes it
	what    string // the type of the value: text, duration …
	env     string // the variable of the environment; empty: there is none
	comment []part
	keys    []entry // the keys of a section
}

// part is a piece of a comment.
type part struct {
	kind  kind
	lines []string // words: one; terms: term and text in turn; verbatim: as written
}

type kind string

const (
	words    kind = "words"
	terms    kind = "terms"
	verbatim kind = "verbatim"
)

// readManual reads the comment above each key, as far as the next blank line.
func readManual(text string) (m manual, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return m, err
	}
	lines := strings.Split(text, "\n")
	first := slices.IndexFunc(lines, func(s string) bool { return !strings.HasPrefix(s, "#") })
	m.head = parts(lines[:first], "")
	env := map[string]string{}
	for _, s := range scalars {
		env[s.key] = s.env
	}
	for name, value := range pairs(doc.Content[0]) {
		typ, _ := fieldOf(reflect.TypeFor[Config](), name.Value)
		s := entry{key: name.Value, comment: parts(above(lines, name.Line), "")}
		if typ.Kind() != reflect.Struct {
			s.value, s.what = written(lines, name), whatOf(typ)
			m.sections = append(m.sections, s)
			continue
		}
		for key := range pairs(value) {
			t, _ := fieldOf(typ, key.Value)
			full := s.key + "." + key.Value
			s.keys = append(s.keys, entry{key: full, value: written(lines, key), what: whatOf(t), env: env[full], comment: parts(above(lines, key.Line), s.key)})
		}
		m.sections = append(m.sections, s)
	}
	return m, nil
}

func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// written returns the value of a key as its line has it.
func written(lines []string, key *yaml.Node) string {
	_, value, _ := strings.Cut(lines[key.Line-1], ": ")
	return value
}

func whatOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[Size]():
		return "size"
	case t.Kind() == reflect.Int:
		return "whole number"
	case t.Kind() == reflect.Slice:
		return "list"
	}
	return "text"
}

// above returns the lines of the comment that ends just before a line.
func above(lines []string, line int) []string {
	from := line - 1
	for from > 0 && strings.HasPrefix(strings.TrimLeft(lines[from-1], " "), "#") {
		from--
	}
	return lines[from : line-1]
}

// parts splits a comment into its parts. A setting that is commented out gets the name of its section, so that people
// can paste it.
func parts(comment []string, section string) (out []part) {
	was := ""
	for _, line := range comment {
		line = strings.TrimPrefix(strings.TrimLeft(line, " "), "#")
		is := "words"
		switch {
		case line == "":
			is = "break"
		case !isProse(line):
			is = "setting"
			if section != "" {
				line = "  " + line
			}
		case strings.HasPrefix(line, "   "):
			is, line = "indented", line[3:]
		default:
			line = line[1:]
		}
		switch {
		case is == "break":
		case is != was && is == "setting" && section != "":
			out = append(out, part{kind: verbatim, lines: []string{section + ":", line}})
		case is != was:
			out = append(out, part{kind: map[string]kind{"words": words, "indented": terms, "setting": verbatim}[is], lines: []string{line}})
		case is == "words":
			out[len(out)-1].lines[0] += " " + line
		default:
			out[len(out)-1].lines = append(out[len(out)-1].lines, line)
		}
		was = is
	}
	for i := range out {
		if out[i].kind == terms {
			out[i] = termsOf(out[i].lines)
		}
	}
	return out
}

var term = regexp.MustCompile(`^(\S.*?)(?:  +(\S.*))?$`)

// termsOf reads lines that have a term, at least two spaces, and a text. The text goes on in lines that begin with
// spaces. If no term has a text, the lines are verbatim.
func termsOf(lines []string) part {
	p := part{kind: terms}
	explained := false
	for _, line := range lines {
		if m := term.FindStringSubmatch(line); m != nil {
			explained = explained || m[2] != ""
			p.lines = append(p.lines, m[1], m[2])
			continue
		}
		explained = true
		last := len(p.lines) - 1
		p.lines[last] = strings.TrimSpace(p.lines[last] + " " + strings.TrimSpace(line))
	}
	if !explained {
		return part{kind: verbatim, lines: lines}
	}
	return p
}
