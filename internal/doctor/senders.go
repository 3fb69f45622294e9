package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sender is somebody whom a policy lets send.
type sender struct {
	status Status // of letting them
	text   string
	arns   []string // patterns of the rules and topics that may send so
	unsure bool     // a condition that is not understood may keep them from it
}

// lets reports whether a rule or topic may send so.
func (x sender) lets(arn string) bool {
	return slices.ContainsFunc(x.arns, func(p string) bool { return like(p, arn) })
}

// senders are whom the policy lets send to the queue, and why some are not that it
// names. ours are the accounts whose rules and topics may.
func (p policy) senders(queueARN string, ours []string) (out []sender, notes []string) {
	d := p.denials(queueARN)
	for _, s := range p.Statement {
		if s.Effect == "Allow" && s.sends(queueARN) {
			x, n := s.senders(accountOf(queueARN), ours, d)
			out, notes = append(out, x...), append(notes, n...)
		}
	}
	if d.limited {
		for _, who := range d.spared {
			x := named(who, ours)
			if x.status == Warn && !wild(who) && slices.Contains(ours, accountOf(who)) {
				x.status, x.text = OK, who // as ReplayRoleArn of deploy/ has it
			}
			out = append(out, x)
		}
	}
	return out, notes
}

func (s statement) senders(own string, ours []string, d denials) (out []sender, notes []string) {
	who := s.whom()
	for _, kind := range slices.Sorted(maps.Keys(who)) {
		for _, name := range who[kind] {
			if slices.Contains(d.who, name) {
				notes = append(notes, "a Deny is for "+name)
				continue
			}
			x, why := s.sender(kind, name, own, ours, d)
			if why != "" {
				notes = append(notes, why)
			} else if x.text != "" {
				out = append(out, x)
			}
		}
	}
	return out, notes
}

// sender judges one principal of the statement; or says why it does not send.
func (s statement) sender(kind, who, own string, ours []string, d denials) (x sender, why string) {
	sources, held := s.held(sourceArn)
	if !held {
		sources = []string{"*"}
	}
	if kind != "Service" && who != "*" { // people and roles are no source of anything
		if held {
			return x, who + " is no service, and what it sends has no " + sourceArn
		}
		if d.limited {
			return x, "a Deny leaves only what has another " + sourceArn + " than " + who + " sends"
		}
		return s.principal(who, own), ""
	}
	if d.limited {
		sources, _ = meet(sources, d.only)
	}
	sources = slices.DeleteFunc(sources, func(a string) bool {
		return slices.ContainsFunc(d.sources, func(p string) bool { return covers(p, a) })
	})
	if len(sources) == 0 {
		return x, "the Denies leave nothing of what is allowed to " + who
	}
	if slices.Contains(sources, "*") && !held {
		if kind == "Service" {
			x = s.service(who)
		} else {
			x = s.principal(who, own)
		}
		x.unsure = s.holdsMore()
		return x, ""
	}
	if kind == "Service" {
		sources = slices.DeleteFunc(sources, func(a string) bool { return !wild(serviceOf(a)) && serviceOf(a) != who })
		if len(sources) == 0 {
			return x, who + " does not send for the " + sourceArn + " that is named"
		}
	}
	if accounts, ok := s.held("aws:SourceAccount"); ok {
		sources = slices.DeleteFunc(sources, func(a string) bool {
			return !slices.ContainsFunc(accounts, func(p string) bool { return accountOf(a) == "" || like(p, accountOf(a)) })
		})
		if len(sources) == 0 {
			return x, "no " + sourceArn + " is of the account that is named beside it"
		}
	}
	x = narrow(who, sources, ours)
	x.unsure = s.holdsMore()
	return x, ""
}

// holdsMore reports whether a condition of the statement could keep a rule from
// sending, for a reason that is not understood.
func (s statement) holdsMore() bool {
	for name, keys := range s.Condition {
		o, ok := reads(name)
		for k, v := range keys {
			switch k = strings.ToLower(k); {
			case k == "aws:sourcearn" && ok && !o.negative, k == "aws:sourceaccount" && ok && !o.negative:
			case k == "aws:securetransport" || k == "aws:principalisawsservice":
				if !strings.HasPrefix(name, "Bool") || len(v) != 1 || !strings.EqualFold(string(v[0]), "true") {
					return true
				}
			default:
				return true
			}
		}
	}
	return false
}

// field of an ARN: 2 is the service, 3 the Region, 4 the account.
func field(arn string, n int) string {
	if part := strings.SplitN(arn, ":", 6); len(part) == 6 {
		return part[n]
	}
	return ""
}

func accountOf(arn string) string { return field(arn, 4) }

// serviceOf is the principal that sends for a source.
func serviceOf(arn string) string {
	if s := field(arn, 2); s != "" {
		return s + ".amazonaws.com"
	}
	return "*"
}

// narrow judges what aws:SourceArn leaves.
func narrow(who string, sources, ours []string) sender {
	x := sender{status: OK, text: strings.Join(sources, ", "), arns: sources}
	for _, arn := range sources {
		thing := arn[strings.LastIndex(arn, ":")+1:]
		account := accountOf(arn)
		switch {
		case strings.Count(arn, ":") < 5, wild(field(arn, 2) + account), account == "" && wild(thing):
			x.status, x.text = Fail, "whatever matches "+arn+" (by "+who+"), of any account"
			return x
		case wild(field(arn, 3) + thing):
			x.status, x.text = Warn, "whatever matches "+arn+", more than one rule or topic"
		case account != "" && !slices.Contains(ours, account):
			x.status, x.text = Warn, arn+", of account "+account+", whose flow logs are not kept here"
		}
	}
	return x
}

// services of an account, or of an organisation.
func (s statement) service(who string) sender {
	if in := s.fixed("aws:SourceAccount", "aws:PrincipalAccount"); len(in) > 0 {
		x := sender{status: Warn, text: fmt.Sprintf("%s for anything of account %s, not just for one rule or topic", who, strings.Join(in, ", "))}
		for _, account := range in {
			x.arns = append(x.arns, "arn:*:"+strings.TrimSuffix(who, ".amazonaws.com")+":*:"+account+":*")
		}
		return x
	}
	every := []string{"arn:*:" + strings.TrimSuffix(who, ".amazonaws.com") + ":*"}
	if in := s.fixed("aws:SourceOrgID", "aws:PrincipalOrgID"); len(in) > 0 {
		return sender{status: Warn, text: who + " for anything of the organisation " + strings.Join(in, ", "), arns: every}
	}
	return sender{status: Fail, text: who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)", arns: every}
}

// fixed are the values of keys that hold somebody back: a pattern of them holds
// nobody.
func (s statement) fixed(keys ...string) (out []string) {
	for _, key := range keys {
		values, _ := s.held(key)
		if slices.ContainsFunc(values, func(v string) bool {
			return wild(v) && key != principalArn || key == principalArn && (accountOf(v) == "" || wild(accountOf(v)))
		}) {
			continue
		}
		out = append(out, values...)
	}
	return out
}

// principal judges one that is no service, or everybody.
func (s statement) principal(who string, own ...string) sender {
	for _, key := range []string{principalArn, "aws:PrincipalAccount", "aws:SourceAccount", "aws:PrincipalOrgID", "aws:SourceOrgID", "aws:SourceVpce", "aws:SourceVpc"} {
		if v := s.fixed(key); len(v) > 0 {
			return sender{status: Warn, text: fmt.Sprintf("%s with %s %s, beside the rule", everybody(who), key, strings.Join(v, ", "))}
		}
	}
	if v := s.addresses(); len(v) > 0 {
		return sender{status: Warn, text: fmt.Sprintf("%s from %s, beside the rule", everybody(who), strings.Join(v, ", "))}
	}
	if who == "*" {
		return sender{status: Fail, text: "everybody in the world (its principal is *, and no condition holds anybody back)", arns: []string{"*"}}
	}
	return named(who, own)
}

const besideRule = ", beside the rule"

// named judges a principal by its name alone.
func named(who string, ours []string) sender {
	account := accountOf(who)
	whole := strings.HasSuffix(who, ":root")
	if len(who) == 12 && strings.Trim(who, "0123456789") == "" {
		account, whole = who, true
	}
	switch {
	case whole && slices.Contains(ours, account):
		return sender{status: Warn, text: "every principal of account " + account + " whom IAM lets, beside the rule"}
	case whole:
		return sender{status: Fail, text: "the account " + account + besideRule}
	case wild(account):
		return sender{status: Fail, text: "whoever matches " + who + ", of any account"}
	}
	return sender{status: Warn, text: who + ", beside the rule"}
}

// addresses that a sender must come from, where these are not all.
func (s statement) addresses() (out []string) {
	for k, v := range s.Condition["IpAddress"] {
		if !strings.EqualFold(k, "aws:SourceIp") {
			continue
		}
		for _, x := range v {
			if strings.HasSuffix(string(x), "/0") {
				return nil
			}
			out = append(out, string(x))
		}
	}
	return out
}

func everybody(who string) string {
	if who == "*" {
		return "everybody"
	}
	return who
}
