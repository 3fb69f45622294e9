package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// walkFile checks the YAML text against the shape of Config: what viper would
// silently turn into something else is a problem here.
func (l *loader) walkFile(text []byte) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return // an empty file is all defaults
	case err != nil:
		l.syntax(err)
		return
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		l.problems = append(l.problems, Problem{File: l.file, Line: second.Line, Message: "a second YAML document: it would be ignored; put everything into one"})
	} else if !errors.Is(err, io.EOF) {
		l.syntax(err)
	}
	if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
		l.walk("", doc.Content[0], reflect.TypeFor[Config]())
	}
}

func (l *loader) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: l.file, Message: "not valid YAML: " + text}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, rest, ok := strings.Cut(rest, ": "); ok {
			p.Line, _ = strconv.Atoi(n)
			p.Message = "not valid YAML: " + rest
		}
	}
	l.problems = append(l.problems, p)
}

// walk checks one node against the type it must become.
func (l *loader) walk(key string, n *yaml.Node, t reflect.Type) {
	l.lines[key] = n.Line
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.problem(key, "", "anchors and aliases are not supported: write the value out")
	case n.Tag == "!!null":
		l.problem(key, "", "has no value: give it one, or remove the line")
	case t.Kind() == reflect.Struct:
		l.walkMapping(key, n, t)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			l.problem(key, shown(n, key), "write a list: [a, b]")
			return
		}
		for i, item := range n.Content {
			l.walk(fmt.Sprintf("%s[%d]", key, i), item, t.Elem())
		}
	case n.Kind != yaml.ScalarNode:
		l.problem(key, "", "write a single value")
	case t == reflect.TypeFor[time.Duration]():
		if fix := durationFix(n.Value); fix != "" {
			l.problem(key, n.Value, "%s", fix)
		}
	case t.Kind() == reflect.Int:
		if n.Tag != "!!int" || !isInt(n.Value) {
			l.problem(key, n.Value, "write a whole number")
		}
	case n.Tag != "!!str":
		l.problem(key, shown(n, key), "YAML takes this for %s: put it in quotes", map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "a boolean", "!!timestamp": "a time"}[n.Tag])
	}
}

func (l *loader) walkMapping(key string, n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.MappingNode {
		l.problem(key, shown(n, key), "write keys below it: one of %s", strings.Join(keysOf(t), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		full := strings.TrimPrefix(key+"."+name.Value, ".")
		l.lines[full] = name.Line
		field, ok := fieldOf(t, name.Value)
		switch {
		case !ok:
			l.problem(full, "", "no such key%s", didYouMean(name.Value, keysOf(t)))
		case seen[name.Value]:
			l.problem(full, "", "is there twice: keep one")
		default:
			l.walk(full, value, field)
		}
		seen[name.Value] = true
	}
}

func keysOf(t reflect.Type) []string {
	var out []string
	for n := range t.NumField() {
		out = append(out, t.Field(n).Tag.Get("mapstructure"))
	}
	return out
}

func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for n := range t.NumField() {
		if t.Field(n).Tag.Get("mapstructure") == name {
			return t.Field(n).Type, true
		}
	}
	return nil, false
}

// shown is a node's value for an error, unless its key may hold a secret.
func shown(n *yaml.Node, key string) string {
	if n.Kind != yaml.ScalarNode || secretKey(key) {
		return ""
	}
	return n.Value
}

func secretKey(key string) bool {
	if !strings.HasPrefix(key, "alerts") {
		return false
	}
	last := key[strings.LastIndex(key, ".")+1:]
	return last == "url" || last == "secret" || last == "routing_key"
}

// durationFix is empty for a duration, else what to write instead.
func durationFix(s string) string {
	if _, err := time.ParseDuration(s); err == nil && s != "0" && !isInt(s) {
		return ""
	}
	if s == "0" {
		return "write 0s"
	}
	if isInt(s) {
		return "a duration needs a unit: write " + s + "s"
	}
	return "write a duration such as 90s, 5m or 1h30m"
}

func isInt(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

// didYouMean names the key that is most like a wrong one.
func didYouMean(wrong string, known []string) string {
	best, least := "", len(wrong)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ": the keys here are " + strings.Join(known, ", ")
	}
	return ": did you mean " + best + "?"
}

// distance is how many letters must be changed, added or dropped.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
