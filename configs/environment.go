package configs

import (
	"maps"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"flowkeeper/internal/nearest"
)

const envPrefix = "FLOWKEEPER_"

// setting is a key with a single value, or with a list.
type setting struct {
	key string // "queue.url"
	env string // "FLOWKEEPER_QUEUE_URL"
	typ reflect.Type
}

// scalars are the keys with a single value, which a variable may set; lists are the others.
// Both are in the order of Config.
var scalars, lists = settingsOf("", reflect.TypeFor[Config]())

// settingsOf returns the settings of a section; at is what their keys begin with.
func settingsOf(at string, section reflect.Type) (scalars, lists []setting) {
	for f := range section.Fields() {
		key := at + keyOf(f)
		s := setting{key: key, env: envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_")), typ: f.Type}
		switch f.Type.Kind() {
		case reflect.Struct:
			below, listsBelow := settingsOf(key+".", f.Type)
			scalars, lists = append(scalars, below...), append(lists, listsBelow...)
		case reflect.Slice:
			lists = append(lists, s)
		default:
			scalars = append(scalars, s)
		}
	}
	return scalars, lists
}

func environment(environ []string) map[string]string {
	out := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}

// checkEnvironment takes the values that variables set, and reports variables that look like
// keys but are none. Other variables that begin with FLOWKEEPER_ may belong to another program.
func (l *loader) checkEnvironment() {
	var names []string // without the prefix
	for _, s := range scalars {
		names = append(names, strings.TrimPrefix(s.env, envPrefix))
		if value, set := l.env[s.env]; set {
			l.variables[s.key] = s.env
			if v, ok := l.scalarValue(s.key, value, "", s.typ); ok {
				l.override[s.key] = v
			}
		}
	}
	for _, env := range slices.Sorted(maps.Keys(l.env)) {
		name, ours := strings.CutPrefix(env, envPrefix)
		if !ours || slices.Contains(names, name) || ofKubernetes(env, l.env[env]) {
			continue
		}
		near := nearest.Word(name, names)
		ofAList := func(list setting) bool { return env == list.env || strings.HasPrefix(env, list.env+"_") }
		ofASection := func(section string) bool { return strings.HasPrefix(name, strings.ToUpper(section)+"_") }
		message := ""
		switch {
		case slices.ContainsFunc(lists, ofAList):
			message = "lists are set in the file only"
		case near != "":
			message = "no such key: did you mean " + envPrefix + near + "?"
		case slices.ContainsFunc(keysOf(reflect.TypeFor[Config]()), ofASection):
			message = "no such key: the keys are " + envPrefix + strings.Join(names, ", "+envPrefix)
		default:
			continue
		}
		l.problems = append(l.problems, Problem{File: "environment", Key: keyShown("", env), Message: message})
	}
}

// Kubernetes gives a container variables for each Service of its namespace, named after the
// Service: one that is called flowkeeper-http brings FLOWKEEPER_HTTP_SERVICE_HOST,
// _SERVICE_PORT, _SERVICE_PORT_NAME, _PORT, and _PORT_9090_TCP with _PROTO, _PORT and _ADDR.
// Their values distinguish them from mistyped variables of ours: a host is an address, a port a
// number or tcp://….
var variablesOfServices = []struct {
	name *regexp.Regexp // the end of the name; the first that matches counts
	is   func(value string) bool
}{
	{regexp.MustCompile(`_(SERVICE_HOST|PORT_\d+_(TCP|UDP|SCTP)_ADDR)$`), func(s string) bool { return net.ParseIP(s) != nil }},
	{regexp.MustCompile(`_(SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)_PORT)$`), isPort},
	{regexp.MustCompile(`_PORT(_\d+_(TCP|UDP|SCTP))?$`), regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString},
	{regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)_PROTO$`), regexp.MustCompile(`^(tcp|udp|sctp)$`).MatchString},
}

// ofKubernetes reports whether Kubernetes makes this variable for a Service.
func ofKubernetes(name, value string) bool {
	for _, v := range variablesOfServices {
		if v.name.MatchString(name) {
			return v.is(value)
		}
	}
	return false
}
