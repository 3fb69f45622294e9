package doctor

import (
	"cmp"
	"slices"
	"strings"
)

// denials are what a policy's Denies leave of those who may send.
type denials struct {
	limited bool     // only is all that is left
	only    []string // patterns of aws:SourceArn
	spared  []string // patterns of principals whom the limit is not for
	sources []string // patterns of aws:SourceArn that may not
	who     []string // principals that may not
	unclear []string // Denies that are not understood
}

const sourceArn, principalArn = "aws:SourceArn", "aws:PrincipalArn"

func (p policy) denials(queueARN string) (d denials) {
	for _, s := range p.Statement {
		if s.Effect == "Deny" && s.sends(queueARN) {
			d.add(s)
		}
	}
	return d
}

// add one Deny that is about sending.
func (d *denials) add(s statement) {
	switch {
	case s.sparesSources():
		return
	case !s.everybody():
		d.some(s)
		return
	case len(s.Condition) == 0:
		d.limit(nil, nil)
		return
	case len(s.Condition) > 1:
		d.puzzle(s)
		return
	}
	for name, keys := range s.Condition { // there is one
		o, ok := reads(name)
		var sources, principals list[scalar]
		others := len(keys)
		for k, v := range keys {
			switch {
			case strings.EqualFold(k, sourceArn):
				sources, others = v, others-1
			case strings.EqualFold(k, principalArn):
				principals, others = v, others-1
			}
		}
		switch {
		case !ok, others > 0, len(sources) == 0, !o.negative && len(principals) > 0:
			d.puzzle(s)
		case o.negative:
			d.limit(o.patterns(sources), o.patterns(principals))
		default:
			d.sources = append(d.sources, o.patterns(sources)...)
		}
	}
}

// sparesSources reports whether a Deny is only about how no rule and no topic sends.
func (s statement) sparesSources() bool {
	return s.is("aws:SecureTransport", "false") || s.is("aws:PrincipalIsAWSService", "false")
}

// some adds a Deny that is not for everybody.
func (d *denials) some(s statement) {
	if s.Principal == nil { // everybody but …
		d.puzzle(s)
		return
	}
	for kind, names := range *s.Principal {
		switch {
		case len(s.Condition) == 0:
			d.who = append(d.who, names...)
		case kind == "Service":
			d.puzzle(s)
		}
	}
}

// limit leaves only some sources, of those that other Denies leave.
func (d *denials) limit(only, spared []string) {
	if !d.limited {
		d.limited, d.only, d.spared = true, only, spared
		return
	}
	var unclear bool
	if d.only, unclear = meet(d.only, only); unclear {
		d.unclear = append(d.unclear, "those on "+sourceArn)
	}
	d.spared, _ = meet(d.spared, spared)
}

func (d *denials) puzzle(s statement) {
	d.unclear = append(d.unclear, cmp.Or(s.Sid, "one without a Sid"))
}

// meet are the patterns of what matches one of each. unclear: two of them may
// have something in common of which no pattern tells.
func meet(some, others []string) (out []string, unclear bool) {
	for _, a := range some {
		for _, b := range others {
			switch {
			case covers(b, a):
				out = append(out, a)
			case covers(a, b):
				out = append(out, b)
			case wild(a) && wild(b):
				unclear = true
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), unclear
}

// covers reports whether all that one pattern matches the other matches, too. A ?
// of the wide one is no * of the narrow one.
func covers(wide, narrow string) bool {
	return like(wide, narrow) && (!strings.Contains(wide, "?") || wide == narrow || !strings.Contains(narrow, "*"))
}
