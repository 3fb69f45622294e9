package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
)

// sources of events that are known: the rules that send straight to the queue.
type sources struct {
	rules  []string // whom the policy must let send
	byRole []string // that send as a role of theirs
	all    bool     // whether every scope could be asked
	ours   []string // the accounts that are watched, and the queue's
	self   string   // the account of our own credentials, which take
}

func (e *exam) sources(ctx context.Context) sources {
	arn := e.queueARN(ctx)
	who, _ := e.own.get(ctx) // noQueue tells
	s := sources{all: true, ours: []string{e.queue.Account}, self: who.account}
	for _, x := range append([]*subject{e.home}, e.subjects...) {
		s.ours = append(s.ours, x.scope.Account)
		r, err := x.route.get(ctx)
		s.all = s.all && err == nil // event-rule tells
		for _, rule := range r.rules {
			s.add(rule, arn)
			if rule.next == nil {
				continue
			}
			s.all = s.all && rule.next.err == nil
			for _, then := range rule.next.rules {
				s.add(then, arn)
			}
		}
	}
	slices.Sort(s.rules)
	s.rules = slices.Compact(s.rules)
	return s
}

// add one rule, if it sends to the queue itself.
func (s *sources) add(r rule, queueARN string) {
	switch {
	case !r.enabled, aws.ToString(r.target.Arn) != queueARN: // a topic's, or a bus's
	case aws.ToString(r.target.RoleArn) != "":
		s.byRole = append(s.byRole, r.arn)
	default:
		s.rules = append(s.rules, r.arn)
	}
}

func (e *exam) queuePolicy(ctx context.Context) []finding {
	a, _ := e.attrs.get(ctx)
	arn, known := e.queueARN(ctx), e.sources(ctx)
	f := judgePolicy(a["Policy"], arn, known)
	if f.status == Fail || f.status == Warn {
		f.fix = "let nobody but the rule that brings the events send, as deploy/queue-policy.json does, and nobody from outside take or change anything; keep what else the policy says"
		if better, ok := betterPolicy(a["Policy"], arn, known); ok {
			f.fix = e.setAttribute("Policy", better)
		}
	}
	return one(f)
}

// judgePolicy: the queue must let the rules or topics send that bring events,
// and nobody else: what forged messages claim loosens rules. And what strangers
// take from it is not heard of.
func judgePolicy(text, queueARN string, known sources) finding {
	if text == "" {
		return finding{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	var p policy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return finding{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	f, taken := p.judgeSenders(queueARN, known), p.judgeTakers(queueARN, known.own(queueARN))
	switch {
	case rank(taken.status) > rank(f.status):
		return taken
	case taken.status == Fail:
		f.detail += "; " + taken.detail
	}
	return f
}

// own are the accounts whose principals may take: the queue's, and ours.
func (k sources) own(queueARN string) []string {
	if k.self == "" {
		return []string{accountOf(queueARN)}
	}
	return []string{accountOf(queueARN), k.self}
}

func (p policy) judgeSenders(queueARN string, known sources) finding {
	all, notes := p.senders(queueARN, known.ours)
	status, told := OK, []string{}
	for _, s := range all {
		if rank(s.status) > rank(status) {
			status, told = s.status, nil
		}
		if s.status == status && !slices.Contains(told, s.text) {
			told = append(told, s.text)
		}
	}
	detail := alert.Clean(strings.Join(told, "; "), 500)
	missing, unsure := without(all, known.rules)
	sends := slices.ContainsFunc(all, func(s sender) bool { return len(s.arns) > 0 })
	switch d := p.denials(queueARN); {
	case len(d.unclear) > 0:
		return finding{Unknown, "can't tell: a Deny of the policy is not understood (" + alert.Clean(strings.Join(d.unclear, ", "), 200) + "), and may keep the rule from sending; without it " + cmp.Or(detail, "nobody") + " may", ""}
	case len(all) == 0:
		return finding{Fail, "the policy lets nobody send" + because(notes), ""}
	case missing != "":
		return finding{Fail, "by the policy only " + detail + " may send, and not " + missing + ", which leads here" + because(notes), ""}
	case !sends && len(known.byRole) == 0:
		return finding{Fail, "by the policy no rule and no topic may send, but " + detail + because(notes), ""}
	case status != OK:
		return finding{status, "by the policy these may send: " + detail, ""}
	case unsure != "":
		return finding{Unknown, "can't tell whether " + unsure + " may send: a condition beside its aws:SourceArn is not understood", ""}
	case len(known.byRole) > 0:
		return finding{Unknown, "can't tell whether " + known.byRole[0] + " may send: it does so as a role, by that role's policy", ""}
	}
	return fine("only %s may send", detail)
}

func because(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " (" + alert.Clean(strings.Join(notes, "; "), 300) + ")"
}

// without finds a rule that nobody of all lets send, and one of which a condition
// that is not understood decides. Where no rule is known, it is about all.
func without(all []sender, rules []string) (missing, unsure string) {
	for _, rule := range rules {
		may, surely := false, false
		for _, s := range all {
			may, surely = may || s.lets(rule), surely || s.lets(rule) && !s.unsure
		}
		switch {
		case !may:
			missing = rule
		case !surely:
			unsure = rule
		}
	}
	if len(rules) == 0 && !slices.ContainsFunc(all, func(s sender) bool { return len(s.arns) > 0 && !s.unsure }) {
		unsure = "a rule or topic"
	}
	return missing, unsure
}

func rank(s Status) int {
	return slices.Index([]Status{Skipped, OK, Unknown, Warn, Fail}, s)
}

// document is a policy with its statements as they stand.
type document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement list[json.RawMessage]
}

// betterPolicy is a policy by which the known sources send, whom the old one spares
// by name, and nobody else; what the old one says of other things stays, and so does
// what it denies to some, but not what lets strangers take. ok is false where somebody
// could be cut off of whom nothing is known, or we ourselves.
func betterPolicy(text, queueARN string, known sources) (better string, ok bool) {
	var p policy
	doc := document{Version: "2012-10-17"}
	if text != "" && (json.Unmarshal([]byte(text), &p) != nil || json.Unmarshal([]byte(text), &doc) != nil) {
		return "", false
	}
	all, _ := p.senders(queueARN, known.ours)
	from, spared := slices.Clone(known.rules), []string(nil)
	for _, s := range all {
		if s.status == Fail && !known.all {
			return "", false
		}
		switch {
		case s.status == OK && len(s.arns) == 0:
			spared = append(spared, s.text)
		case s.status == OK:
			from = append(from, s.arns...)
		}
	}
	slices.Sort(from)
	from = slices.Compact(from)
	if len(from) == 0 || len(known.byRole) > 0 {
		return "", false
	}
	keep := doc.Statement[:0:0]
	for n, s := range p.Statement {
		if s.robs(queueARN, known.own(queueARN)) {
			if known.self != accountOf(queueARN) {
				return "", false // we may be one of those that take by it
			}
			continue
		}
		if !s.sends(queueARN) || s.Effect == "Allow" && !s.onlySends() || s.Effect == "Deny" && (s.sparesSources() || !s.everybody()) {
			keep = append(keep, doc.Statement[n])
		}
	}
	doc.Statement = append(onlyFrom(queueARN, from, spared), keep...)
	b, err := json.Marshal(doc)
	known.rules = from
	return string(b), err == nil && judgePolicy(string(b), queueARN, known).status == OK
}

// onlySends reports whether the statement is about nothing but sending.
func (s statement) onlySends() bool {
	return !slices.ContainsFunc(s.Action, func(a string) bool { return !strings.EqualFold(a, sendMessage) }) && len(s.NotAction) == 0
}

// onlyFrom are the statements of deploy/queue-policy.json for some sources; spared
// are principals that may send beside them.
func onlyFrom(queueARN string, from, spared []string) (out []json.RawMessage) {
	type object = map[string]any
	var services []string
	for _, arn := range from {
		services = append(services, serviceOf(arn))
	}
	slices.Sort(services)
	others := object{sourceArn: from}
	if len(spared) > 0 {
		others[principalArn] = spared
	}
	for _, s := range []object{
		{"Effect": "Allow", "Principal": object{"Service": slices.Compact(services)}, "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnEquals": object{sourceArn: from}}},
		{"Effect": "Deny", "Principal": "*", "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnNotEquals": others}},
	} {
		b, err := json.Marshal(s)
		if err != nil {
			panic("doctor: a policy is plain JSON: " + err.Error())
		}
		out = append(out, b)
	}
	return out
}
