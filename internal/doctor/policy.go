package doctor

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
)

// policy is a resource's policy document, as IAM writes them.
type policy struct{ Statement list[statement] }

type statement struct {
	Sid, Effect             string
	Principal, NotPrincipal *principals
	Action, NotAction       list[string]
	Resource, NotResource   list[string]
	Condition               map[string]map[string]list[scalar]
}

// list: one thing may stand alone.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	err := json.Unmarshal(b, &one)
	*l = list[T]{one}
	return err
}

// scalar is a text, a number or a boolean of a condition, as text.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	*s = scalar(text)
	return nil
}

// principals by their kind: AWS, Service, Federated, CanonicalUser.
type principals map[string]list[string]

func (p *principals) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*p = principals{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]list[string])(p))
}

const sendMessage = "sqs:SendMessage"

// sends reports whether the statement is about sending to the queue.
func (s statement) sends(queueARN string) bool {
	matches := func(patterns list[string], value string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return like(strings.ToLower(p), strings.ToLower(value)) })
	}
	acts := matches(s.Action, sendMessage)
	if len(s.NotAction) > 0 {
		acts = !matches(s.NotAction, sendMessage)
	}
	here := matches(s.Resource, queueARN)
	if len(s.NotResource) > 0 {
		here = !matches(s.NotResource, queueARN)
	}
	return acts && here
}

// like matches a pattern of IAM: * is any text, ? any character. It goes back
// to the last * only, so that no pattern takes long.
func like(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from, p = p, t, p+1
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// values of a condition key under operators that hold only for these values.
// A key that a request need not have (…IfExists) holds nobody back.
func (s statement) values(key string, negative bool) (out []string) {
	for operator, keys := range s.Condition {
		if of, rest, several := strings.Cut(operator, ":"); several && of != "ForAllValues" { // which holds for none, too
			operator = rest
		}
		equal := slices.Contains([]string{"ArnEquals", "ArnLike", "StringEquals", "StringLike", "StringEqualsIgnoreCase"}, operator)
		differ := slices.Contains([]string{"ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike",
			"ArnNotEqualsIfExists", "ArnNotLikeIfExists", "StringNotEqualsIfExists", "StringNotLikeIfExists"}, operator)
		if !equal && !negative || !differ && negative {
			continue
		}
		for k, v := range keys {
			if strings.EqualFold(k, key) {
				for _, x := range v {
					out = append(out, string(x))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// sender is somebody whom the policy lets send.
type sender struct {
	status Status // of letting them
	text   string
	arns   []string // of the rules, topics, buckets
}

// senders whom the policy lets send to the queue.
func (p policy) senders(queueARN string) (out []sender) {
	only := p.only(queueARN)
	for _, s := range p.Statement {
		if s.Effect == "Allow" && s.sends(queueARN) {
			out = append(out, s.senders(queueARN, only)...)
		}
	}
	return out
}

// only are the sources that a Deny leaves; empty: nothing is denied to others.
func (p policy) only(queueARN string) (out []string) {
	for _, s := range p.Statement {
		if s.Effect == "Deny" && s.sends(queueARN) && s.Principal != nil && slices.Contains((*s.Principal)["AWS"], "*") && len(s.Condition) == 1 {
			out = append(out, s.values("aws:SourceArn", true)...)
		}
	}
	return out
}

func (s statement) senders(queueARN string, only []string) (out []sender) {
	if s.Principal == nil { // NotPrincipal: everybody but …
		s.Principal = &principals{"AWS": {"*"}}
	}
	sources := s.values("aws:SourceArn", false)
	if len(sources) == 0 {
		sources = only
	}
	for _, kind := range slices.Sorted(maps.Keys(*s.Principal)) {
		for _, who := range (*s.Principal)[kind] {
			switch {
			case len(sources) > 0:
				out = append(out, narrow(who, sources))
			case kind == "Service":
				out = append(out, s.service(who))
			default:
				out = append(out, s.principal(who, queueARN))
			}
		}
	}
	return out
}

// narrow judges what aws:SourceArn leaves.
func narrow(who string, sources []string) sender {
	x := sender{status: OK, text: strings.Join(sources, ", "), arns: sources}
	for _, arn := range sources {
		part := strings.SplitN(arn, ":", 6)
		switch {
		case len(part) < 6, strings.ContainsAny(part[2]+part[4], "*?"), part[4] == "" && strings.ContainsAny(part[5], "*?"):
			x.status, x.text = Fail, "whatever matches "+arn+" (by "+who+"), of any account"
			return x
		case strings.ContainsAny(part[5], "*?"):
			x.status, x.text = Warn, "whatever matches "+arn+", more than one rule or topic"
		}
	}
	return x
}

func (s statement) service(who string) sender {
	if in := append(s.values("aws:SourceAccount", false), s.values("aws:PrincipalAccount", false)...); len(in) > 0 {
		return sender{status: Warn, text: fmt.Sprintf("%s for anything of account %s, not just for one rule or topic", who, strings.Join(in, ", "))}
	}
	if in := append(s.values("aws:SourceOrgID", false), s.values("aws:PrincipalOrgID", false)...); len(in) > 0 {
		return sender{status: Warn, text: who + " for anything of the organisation " + strings.Join(in, ", ")}
	}
	return sender{status: Fail, text: who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)"}
}

func (s statement) principal(who, queueARN string) sender {
	for _, key := range []string{"aws:PrincipalArn", "aws:PrincipalAccount", "aws:SourceAccount", "aws:PrincipalOrgID", "aws:SourceOrgID", "aws:SourceVpce", "aws:SourceVpc", "aws:SourceIp"} {
		if v := s.values(key, false); len(v) > 0 {
			return sender{status: Warn, text: fmt.Sprintf("%s with %s %s, beside the rule", everybody(who), key, strings.Join(v, ", "))}
		}
	}
	own := strings.Split(queueARN, ":")[4]
	switch {
	case who == "*":
		return sender{status: Fail, text: "everybody in the world (its principal is *, and no condition holds anybody back)"}
	case who == own, strings.HasSuffix(who, "::"+own+":root"):
		return sender{status: Warn, text: "every principal of account " + own + " whom IAM lets, beside the rule"}
	case strings.HasSuffix(who, ":root"), len(who) == 12 && strings.Trim(who, "0123456789") == "":
		return sender{status: Fail, text: "the account " + who + ", beside the rule"}
	}
	return sender{status: Warn, text: who + ", beside the rule"}
}

func everybody(who string) string {
	if who == "*" {
		return "everybody"
	}
	return who
}

// judgePolicy: the queue must let the rules or topics send that bring events,
// and nobody else: what forged messages claim loosens rules. rules are those
// that were found to lead here.
func judgePolicy(text, queueARN string, rules []string) finding {
	if text == "" {
		return finding{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	var p policy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return finding{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	all := p.senders(queueARN)
	status, told := OK, []string{}
	var arns []string
	for _, s := range all {
		arns = append(arns, s.arns...)
		if rank(s.status) > rank(status) {
			status, told = s.status, nil
		}
		if s.status == status {
			told = append(told, s.text)
		}
	}
	detail := alert.Clean(strings.Join(told, "; "), 500)
	switch {
	case len(all) == 0:
		return finding{Fail, "the policy lets nobody send", ""}
	case status == Fail, status == Warn:
		return finding{status, "by the policy these may send: " + detail, ""}
	}
	for _, rule := range rules {
		if !slices.ContainsFunc(arns, func(p string) bool { return like(p, rule) }) {
			return finding{Fail, "by the policy only " + detail + " may send, and not " + rule + ", which leads here", ""}
		}
	}
	return fine("only %s may send", detail)
}

func rank(s Status) int {
	return slices.Index([]Status{Skipped, OK, Unknown, Warn, Fail}, s)
}

// goodPolicy lets one source send, and nobody else, as deploy/queue-policy.json.
func goodPolicy(queueARN, service, source string) string {
	type object = map[string]any
	b, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{
		{"Sid": "TheRuleSends", "Effect": "Allow", "Principal": object{"Service": service}, "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnEquals": object{"aws:SourceArn": source}}},
		{"Sid": "NobodyElseSends", "Effect": "Deny", "Principal": "*", "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnNotEquals": object{"aws:SourceArn": source}}},
		{"Sid": "EncryptedOnTheWay", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": queueARN,
			"Condition": object{"Bool": object{"aws:SecureTransport": "false"}}},
	}})
	if err != nil {
		panic("doctor: a policy is plain JSON: " + err.Error())
	}
	return string(b)
}
