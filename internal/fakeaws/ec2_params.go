package fakeaws

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params are a call's parameters as a tree: the value of Tag.1.Key is params["Tag"]["1"]["Key"].
// Each value is a string or params.
type params map[string]any

func parseParams(form url.Values) params {
	p := params{}
	for name, values := range form {
		if name != "Action" && name != "Version" {
			p.set(strings.Split(name, "."), values[0])
		}
	}
	return p
}

func (p params) set(path []string, value string) {
	if len(path) == 1 {
		p[path[0]] = value
		return
	}
	sub, ok := p[path[0]].(params)
	if !ok {
		sub = params{}
		p[path[0]] = sub
	}
	sub.set(path[1:], value)
}

// text is a parameter's value; empty if it is absent.
func (p params) text(name string) string {
	s, _ := p[name].(string)
	return s
}

// numbered reads Name.1, Name.2, …, which are texts or params.
func numbered[T string | params](p params, name string) (all []T) {
	list, _ := p[name].(params)
	for n := 1; ; n++ {
		v, ok := list[strconv.Itoa(n)].(T)
		if !ok {
			return all
		}
		all = append(all, v)
	}
}

// UnknownParameter is the name of a parameter that is not allowed; empty if there is
// none. "Name." allows a list or a structure of that name.
func UnknownParameter(form url.Values, allowed ...string) string {
	for name := range form {
		head, _, nested := strings.Cut(name, ".")
		switch {
		case name == "Action", name == "Version":
		case nested && slices.Contains(allowed, head+"."):
		case !nested && slices.Contains(allowed, name):
		default:
			return name
		}
	}
	return ""
}
