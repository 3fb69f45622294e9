package queuepolicy

import (
	"slices"
	"strings"

	"flowkeeper/alert"
)

// denials is what the Deny statements about sending say.
type denials struct {
	all     string   // the statement that denies it to everybody; empty: none
	names   []string // principals to whom it is denied
	sources []string // each aws:SourceArn to which it is denied
	only    []string // each aws:SourceArn that is left; nil: they are not limited
	exempt  []string // principals whom that limit is not for
	unread  []string // statements of no shape that is judged
	read    []string // those of a shape that is judged
}

func (p policy) denials(queueARN string) (d denials) {
	for _, s := range p.statements {
		if s.Effect != "Deny" || !s.about(sendMessage, queueARN) || s.exemptsServices() {
			continue
		}
		sources, limit, exempt, ok := s.bans()
		switch {
		case s.plain() && len(s.Principal["Service"]) == 0 && !s.everybody() && len(s.Condition) > 0:
			continue // for users and roles, under a condition: no rule sends as one
		case !ok, !s.plain(), !s.everybody() && len(s.Condition) > 0:
			d.unread = append(d.unread, s.where)
		case !s.everybody():
			d.names = append(d.names, slices.Concat(s.Principal["AWS"], s.Principal["Service"])...)
		case len(s.Condition) == 0:
			d.all = s.where
		case limit && d.only == nil:
			d.only, d.exempt = slices.Clone(sources), exempt
		case limit:
			d.only, d.exempt = both(d.only, sources), both(d.exempt, exempt)
		default:
			d.sources = append(d.sources, sources...)
		}
		d.read = append(d.read, s.where)
	}
	return d
}

// both returns what two lists have in common. It is never nil.
func both(a, b []string) []string {
	return slices.DeleteFunc(append([]string{}, a...), func(x string) bool { return !slices.Contains(b, x) })
}

func (d denials) because() string {
	if len(d.read) == 0 {
		return ""
	}
	return " (denied by " + alert.Clean(strings.Join(d.read, ", "), 300) + ")"
}

// leave returns what the Deny statements leave of a sender.
func (d denials) leave(x sender, ours []string) (out []sender) {
	switch {
	case slices.Contains(d.names, x.who), slices.Contains(d.sources, x.source):
		return nil
	case d.only == nil:
		return []sender{x}
	}
	for _, arn := range d.only {
		if glob(x.source, arn) {
			out = append(out, bySource(x.who, []string{arn}, ours)...)
		}
	}
	return out
}
