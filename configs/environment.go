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

// scalar is a key that has one value, and so may come from the environment.
type scalar struct {
	key   string // "queue.url"
	env   string // "FLOWKEEPER_QUEUE_URL"
	index []int  // of the field in Config
	typ   reflect.Type
}

// scalars are all of them, in the order of the contract.
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

// checkEnvironment takes the values that come from the environment, and
// reports names that were meant for us but are not ours.
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

// ofASection reports a name such as QUEUE_…: meant for us. Others that begin
// with FLOWKEEPER_ may be somebody else's.
func ofASection(name string) bool {
	for f := range fields(reflect.TypeFor[Config]()) {
		if strings.HasPrefix(name, strings.ToUpper(f.key)+"_") {
			return true
		}
	}
	return false
}

// ofAList reports the name of a list, or of what is in one.
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
