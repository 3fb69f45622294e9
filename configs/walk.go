package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"flowkeeper/internal/nearest"
)

// walkFile checks the YAML text against the shape of Config, and keeps what
// fits: what viper would silently turn into something else is a problem here. It reports
// whether the text is YAML.
func (l *loader) walkFile(text []byte) (isYAML bool) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return true // an empty file is all defaults
	case err != nil:
		l.syntaxProblem(text, err)
		return false
	}
	isYAML = true
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		l.fileProblem(second.Line, "", "a second YAML document: it would be ignored; put everything into one")
	} else if !errors.Is(err, io.EOF) {
		l.syntaxProblem(text, err)
		isYAML = false
	}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		return isYAML
	}
	if v, ok := l.walk("", doc.Content[0], reflect.TypeFor[Config]()); ok {
		l.values = v.(map[string]any)
	}
	return isYAML
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// syntaxProblem reports that the text is not YAML, in the words of the YAML library. It replaces
// the words that would quote the file: the file may hold secrets.
func (l *loader) syntaxProblem(text []byte, err error) {
	if !utf8.Valid(text) || bytes.ContainsFunc(text, isControl) {
		l.fileProblem(0, "", "is no plain text: it holds control characters, or bytes that are not UTF-8: write YAML in UTF-8, or name another file with --config")
		return
	}
	why := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(why, "line "); ok {
		if n, words, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(n)
			why = words
		}
	}
	switch {
	case strings.Contains(why, "anchor"):
		why = noAliases
	case strings.Contains(why, "cannot start any token"):
		why += ": indent with spaces, not tabs, and quote what begins with @, % or `"
	default:
		why += ": mend this line, or the one above it"
	}
	l.fileProblem(line, "", "not valid YAML: "+why)
}

// isControl reports a control character that YAML does not allow.
func isControl(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r) }

const noAliases = "anchors and aliases are not supported: write the value out"

// walk checks one node against the type it must become, and returns what viper
// takes: map[string]any, []any, string, int or time.Duration. It goes no deeper
// than the type, and follows no alias, so its work is bounded by the file.
func (l *loader) walk(key string, n *yaml.Node, t reflect.Type) (any, bool) {
	if l.lines[key] == 0 {
		l.lines[key] = n.Line
	}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.problem(key, "", noAliases)
	case isNull(n):
		l.problem(key, "", "has no value: give it one, or remove the line")
	case t.Kind() == reflect.Struct:
		return l.walkMapping(key, n, t)
	case t.Kind() == reflect.Slice:
		return l.walkList(key, n, t)
	case n.Kind != yaml.ScalarNode:
		l.problem(key, "", "write a single value")
	default:
		return l.scalarValue(key, n.Value, n.ShortTag(), t)
	}
	return nil, false
}

func (l *loader) walkList(key string, n *yaml.Node, t reflect.Type) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		l.problem(key, n.Value, "write a list: each in a line of its own, after a hyphen")
		return nil, false
	}
	out := []any{}
	for i, item := range n.Content {
		v, ok := l.walk(fmt.Sprintf("%s[%d]", key, i), item, t.Elem())
		if !ok {
			v = reflect.Zero(t.Elem()).Interface() // so that later items keep their indexes
			if t.Elem().Kind() == reflect.Struct {
				v = map[string]any{}
			}
		}
		out = append(out, v)
	}
	return out, true
}

func (l *loader) walkMapping(key string, n *yaml.Node, t reflect.Type) (any, bool) {
	if n.Kind != yaml.MappingNode {
		switch {
		case key == "" && n.Kind == yaml.SequenceNode:
			l.problem(key, "", "the file is a list: write keys such as queue: at its top")
		case key == "":
			l.problem(key, "", "the file is a single value: write keys such as queue: at its top")
		default:
			l.problem(key, n.Value, "write keys below it: one of %s", strings.Join(keysOf(t), ", "))
		}
		return nil, false
	}
	out := map[string]any{}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		full := strings.TrimPrefix(key+"."+name.Value, ".")
		field, ok := fieldOf(t, name.Value)
		first := seen[name.Value]
		switch {
		case !ok || name.Kind != yaml.ScalarNode:
			l.fileProblem(name.Line, keyShown(key, name.Value), "no such key"+didYouMean(name.Value, keysOf(t)))
		case first > 0:
			l.fileProblem(name.Line, full, fmt.Sprintf("is there twice, first in line %d: keep one", first))
		default:
			l.lines[full] = name.Line
			if v, ok := l.walk(full, value, field); ok {
				out[name.Value] = v
			}
		}
		seen[name.Value] = max(first, name.Line)
	}
	return out, true
}

// scalarValue converts a written text to a single value. tag is the type that YAML gives the
// text; it is empty for the text of a variable.
func (l *loader) scalarValue(key, written, tag string, t reflect.Type) (any, bool) {
	fix := ""
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if fix = durationFix(written); fix == "" {
			d, err := time.ParseDuration(written)
			return d, err == nil
		}
	case t == reflect.TypeFor[Size]():
		if size, ok := parseSize(written); ok {
			return size, true
		}
		fix = "write a size such as 512MiB or 1GiB"
	case t.Kind() == reflect.Int:
		if isInt(written) && (tag == "" || tag == "!!int") {
			n, err := strconv.Atoi(written)
			return n, err == nil
		}
		fix = "write a whole number, without quotes, such as 5"
	default:
		if fix = textFix(written); fix == "" {
			l.checkQuotes(key, written, tag)
			return written, true
		}
	}
	l.problem(key, written, "%s", fix)
	return nil, false
}

// checkQuotes says that YAML takes a text for something else: 012345670123
// for the octal number 1402433619. Any other problem of the text replaces this
// one: quotes would not help then.
func (l *loader) checkQuotes(key, written, tag string) {
	if tag == "" || tag == "!!str" {
		return
	}
	what, known := map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "a boolean", "!!timestamp": "a time"}[tag]
	if !known {
		what = "something of its own"
	}
	count := len(l.problems)
	l.problem(key, written, "YAML takes this for %s: put it in quotes", what)
	if len(l.problems) > count {
		l.problems[count].replaceable = true
	}
}

// textFix says what is wrong with a text; empty: nothing.
func textFix(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8: write it again"
	case s != strings.TrimSpace(s):
		return "begins or ends with a space or a line break: remove it"
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }):
		return "holds a line break or a control character: remove it"
	}
	return ""
}

// durationFix is empty for a duration, else what to write instead. viper would
// take a bare 20 for 20 nanoseconds.
func durationFix(s string) string {
	if s == "0" {
		return "write 0s"
	}
	if _, err := time.ParseDuration(s); err == nil {
		return ""
	}
	if _, err := time.ParseDuration(s + "s"); err == nil {
		return "a duration needs a unit: write " + s + "s"
	}
	if n, ok := strings.CutSuffix(s, "d"); ok && isInt(n) && len(n) < 6 {
		days, _ := strconv.Atoi(n)
		return fmt.Sprintf("there are no days here: write %dh", 24*days)
	}
	return "write a duration such as 90s, 5m or 1h30m"
}

// isInt reports whether s is a 32-bit number in its plain form: YAML takes 010 for 8.
func isInt(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && strconv.FormatInt(n, 10) == s
}

func keyOf(f reflect.StructField) string { return f.Tag.Get("mapstructure") }

func keysOf(t reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		out = append(out, keyOf(f))
	}
	return out
}

func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for f := range t.Fields() {
		if keyOf(f) == name {
			return f.Type, true
		}
	}
	return nil, false
}

// didYouMean names the key that is most like a wrong one, or the sections that
// a right one belongs to.
func didYouMean(wrong string, known []string) string {
	if near := nearest.Word(wrong, known); near != "" {
		return ": did you mean " + near + "?"
	}
	var found []string
	for _, s := range slices.Concat(scalars, lists) {
		if s.key == wrong || strings.HasSuffix(s.key, "."+wrong) {
			found = append(found, s.key)
		}
	}
	if len(found) == 0 {
		return ": the keys here are " + strings.Join(known, ", ")
	}
	section, key, nested := strings.Cut(found[0], ".")
	if !nested {
		return ": write " + found[0] + ": at the top of the file, not indented"
	}
	fix := fmt.Sprintf("write %s: and, indented below it, %s:", section, key)
	if found[0] == wrong {
		return ": " + fix
	}
	meant := ": did you mean " + strings.Join(found, " or ") + "?"
	if len(found) > 1 {
		return meant
	}
	return meant + " " + fix
}
