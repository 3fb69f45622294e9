package configs

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"flowkeeper/internal/nearest"
)

func environment(environ []string) map[string]string {
	out := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}

// scalar is a key with a single value, which a variable may set.
type scalar struct {
	key   string // "queue.url"
	env   string // "FLOWKEEPER_QUEUE_URL"
	index []int  // of the field in Config
	typ   reflect.Type
}

// scalars returns all of them, in the order of Config.
func scalars() []scalar {
	var out []scalar
	for section := range fields(reflect.TypeFor[Config]()) {
		if section.typ.Kind() != reflect.Struct {
			continue
		}
		for f := range fields(section.typ) {
			if f.typ.Kind() == reflect.Slice {
				continue
			}
			key := section.key + "." + f.key
			out = append(out, scalar{key: key, env: envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_")), index: []int{section.n, f.n}, typ: f.typ})
		}
	}
	return out
}

// checkEnvironment takes the values that variables set, and reports variables that look like
// keys but are none.
func (l *loader) checkEnvironment() {
	known := map[string]bool{}
	var names []string
	for _, s := range l.scalars {
		known[s.env] = true
		names = append(names, strings.TrimPrefix(s.env, envPrefix))
		if value, set := l.env[s.env]; set {
			if v, ok := l.scalarValue(s.key, value, "", s.typ); ok {
				l.override[s.key] = v
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || known[name] || ofKubernetes(name, l.env[name]) {
			continue
		}
		near := nearest.Word(rest, names)
		switch {
		case ofAList(rest):
			l.unknownVariable(name, "lists are set in the file only")
		case near != "":
			l.unknownVariable(name, "no such key: did you mean "+envPrefix+near+"?")
		case ofASection(rest):
			l.unknownVariable(name, "no such key: the keys are "+envPrefix+strings.Join(names, ", "+envPrefix))
		}
	}
}

func (l *loader) unknownVariable(name, message string) {
	l.problems = append(l.problems, Problem{File: "environment", Key: keyShown("", name), Message: message})
}

// ofASection reports whether a name begins with a section, such as QUEUE_…. Others that begin
// with FLOWKEEPER_ may be variables of another program.
func ofASection(name string) bool {
	for f := range fields(reflect.TypeFor[Config]()) {
		if strings.HasPrefix(name, strings.ToUpper(f.key)+"_") {
			return true
		}
	}
	return false
}

// ofAList reports whether a name is that of a list, or of a key within one.
func ofAList(name string) bool {
	for section := range fields(reflect.TypeFor[Config]()) {
		lists := []string{section.key}
		if section.typ.Kind() == reflect.Struct {
			lists = nil
			for f := range fields(section.typ) {
				if f.typ.Kind() == reflect.Slice {
					lists = append(lists, section.key+"_"+f.key)
				}
			}
		}
		for _, key := range lists {
			if key = strings.ToUpper(key); name == key || strings.HasPrefix(name, key+"_") {
				return true
			}
		}
	}
	return false
}
