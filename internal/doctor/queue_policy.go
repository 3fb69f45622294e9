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

// This is no evaluator of policies: only AWS is one. A few exact shapes of
// statements are judged: those that deploy/, docs/setup.md and AWS's console
// make, and the simple ones that open the queue or close it. Of any other that
// may decide, doctor can't tell, and says which statement to read.

// sources of events that are known: the rules that send to the queue itself.
type sources struct {
	rules  []string // ARNs of those that the policy must let send
	byRole []string // ARNs of those that send as a role of theirs
	all    bool     // whether every scope could be asked for its rules
	ours   []string // the accounts that are watched, and the queue's
	self   string   // the account of our own credentials, which receive
}

func (e *exam) sources() sources {
	arn := e.queueARN()
	who, _ := e.own() // queueFail reports the error
	s := sources{all: true, ours: []string{e.queue.Account}, self: who.account}
	for _, x := range append([]*subject{e.home}, e.subjects...) {
		s.ours = append(s.ours, x.scope.Account)
		rules, err := x.route()
		s.all = s.all && err == nil // event-rule reports the error
		for _, rule := range rules {
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
	case !r.enabled, aws.ToString(r.target.Arn) != queueARN: // it sends to a topic, or to a bus
	case aws.ToString(r.target.RoleArn) != "":
		s.byRole = append(s.byRole, r.arn)
	default:
		s.rules = append(s.rules, r.arn)
	}
}

// receivers are the accounts whose principals may receive: the queue's, and ours.
func (s sources) receivers(queueARN string) []string {
	return []string{partsOf(queueARN).AccountID, s.self}
}

func (e *exam) queuePolicy(ctx context.Context, a map[string]string) finding {
	arn, known := e.queueARN(), e.sources()
	f := judgePolicy(a["Policy"], arn, known)
	if f.status == Fail || f.status == Warn {
		f.fix = "let nobody but the rule that brings the events send, as deploy/queue-policy.json does, and nobody from outside receive or change anything; keep what else the policy says"
		if better, ok := betterPolicy(a["Policy"], arn, known); ok {
			f.fix = e.setAttribute("Policy", better)
		}
	}
	return f
}

// judgePolicy: the queue must let the rules or topics send that bring events,
// and nobody else, for rules of the configuration believe what a message says of
// its sender. And what strangers receive from the queue, Flowkeeper does not.
func judgePolicy(text, queueARN string, known sources) finding {
	if text == "" {
		return finding{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	p, err := readPolicy(text)
	if err != nil {
		return finding{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	f, taken := p.judgeSenders(queueARN, known), p.judgeReceivers(queueARN, known.receivers(queueARN))
	switch {
	case rank(taken.status) > rank(f.status):
		return taken
	case taken.status == Fail:
		f.detail += "; " + taken.detail
	}
	return f
}

// sender is somebody whom a policy lets send.
type sender struct {
	status Status // of letting it
	text   string
	who    string // the principal of the statement
	source string // pattern of the aws:SourceArn that it sends with; empty: a user or role, which has none
}

func (p policy) judgeSenders(queueARN string, known sources) finding {
	d := p.denials(queueARN)
	all, unread := p.senders(queueARN, known.ours, d)
	status, texts, separator := OK, []string{}, ", "
	for _, s := range all {
		if rank(s.status) > rank(status) {
			status, texts, separator = s.status, nil, "; "
		}
		if s.status == status && !slices.Contains(texts, s.text) {
			texts = append(texts, s.text)
		}
	}
	who := alert.Clean(strings.Join(texts, separator), 500)
	missing := missingSender(all, d, known)
	switch {
	case d.all != "":
		return finding{Fail, "the policy lets nobody send: " + d.all + " denies it to everybody", ""}
	case len(d.unread) > 0:
		return readStatements(d.unread, "does this Deny keep the rule from sending? Without it "+cmp.Or(who, "nobody")+" may")
	case len(unread) == 0 && len(all) == 0:
		return finding{Fail, "the policy lets nobody send" + d.because(), ""}
	case len(unread) == 0 && missing == anyRule:
		return finding{Fail, "by the policy no rule and no topic may send, but " + who + d.because(), ""}
	case len(unread) == 0 && missing != "":
		return finding{Fail, "by the policy only " + who + " may send, and not " + missing + ", which leads here" + d.because(), ""}
	case status == Fail:
		return finding{Fail, "by the policy these may send: " + who, ""}
	case len(unread) > 0 && missing != "":
		return readStatements(unread, "does it let the rule send, and nobody else?")
	case len(unread) > 0 && d.only == nil:
		return readStatements(unread, "does it let anybody send besides the rule?")
	case status == Warn:
		return finding{Warn, "by the policy these may send: " + who, ""}
	case len(known.byRole) > 0:
		return finding{Unknown, "can't tell whether " + known.byRole[0] + " may send: it does so as a role, by that role's policy", ""}
	}
	return fine("only %s may send", who)
}

const anyRule = "any rule or topic"

// missingSender is the ARN of a rule that was found and may not send, or anyRule
// where none may; empty: none is missing.
func missingSender(all []sender, d denials, known sources) string {
	for _, rule := range known.rules {
		if slices.Contains(d.sources, rule) || !slices.ContainsFunc(all, func(s sender) bool { return glob(s.source, rule) }) {
			return rule
		}
	}
	if len(known.byRole) > 0 || slices.ContainsFunc(all, func(s sender) bool { return s.source != "" }) {
		return ""
	}
	return anyRule
}

// readStatements names the statements that a person has to read.
func readStatements(statements []string, why string) finding {
	slices.Sort(statements)
	return finding{Unknown, "can't tell: read " + alert.Clean(strings.Join(slices.Compact(statements), " and "), 200) + " of the queue's policy: " + why,
		"compare it with deploy/queue-policy.json, all statements of which are judged"}
}

// senders are whom the policy lets send to the queue; unread are its statements
// that may let others. ours are the accounts whose rules and topics may send.
func (p policy) senders(queueARN string, ours []string, d denials) (out []sender, unread []string) {
	for _, s := range p.statements {
		if s.Effect != "Allow" || !s.about(sendMessage, queueARN) {
			continue
		}
		allowed, ok := s.senders(partsOf(queueARN).AccountID, ours)
		if !ok {
			unread = append(unread, s.where)
		}
		for _, x := range allowed {
			out = append(out, d.leave(x, ours)...)
		}
	}
	for _, who := range d.exempt {
		x := named(who, ours)
		if x.status == Warn && !wild(who) && slices.Contains(ours, partsOf(who).AccountID) {
			x.status, x.text = OK, who // as deploy/ has it with ReplayRoleArn
		}
		out = append(out, x)
	}
	return out, unread
}

// senders of an Allow. ok is false where it is of no shape that is judged.
func (s statement) senders(own string, ours []string) (out []sender, ok bool) {
	arns, accounts, ok := s.limits()
	if !ok || !s.plain() {
		return nil, false
	}
	for _, who := range s.Principal["Service"] {
		out = append(out, service(who, arns, accounts, ours)...)
	}
	for _, who := range s.Principal["AWS"] {
		switch {
		case who == "*" && len(arns) > 0:
			out = append(out, bySource(who, arns, ours)...)
		case len(arns)+len(accounts) > 0:
			return nil, false // users and roles send with no such key
		case who == "*":
			out = append(out, sender{Fail, theWorld, who, "*"})
		default:
			out = append(out, named(who, []string{own}))
		}
	}
	return out, true
}

// service judges a service that may send: for these rules or topics, or for all of
// these accounts, or for everybody.
func service(who string, arns, accounts, ours []string) (out []sender) {
	name := strings.TrimSuffix(who, ".amazonaws.com")
	switch {
	case len(arns) > 0:
		return bySource(who, slices.DeleteFunc(slices.Clone(arns), func(arn string) bool {
			of := partsOf(arn)
			return of.Service != "" && !wild(of.Service) && of.Service != name || of.AccountID != "" && len(accounts) > 0 && !slices.Contains(accounts, of.AccountID)
		}), ours)
	case len(accounts) == 0:
		return []sender{{Fail, who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)", who, "arn:*:" + name + ":*"}}
	}
	for _, account := range accounts {
		out = append(out, sender{Warn, who + " for anything of account " + account + ", not just for one rule or topic", who, "arn:*:" + name + ":*:" + account + ":*"})
	}
	return out
}

const theWorld = "everybody in the world (its principal is *, and no condition holds anybody back)"

// bySource judges what each aws:SourceArn lets send.
func bySource(who string, arns, ours []string) (out []sender) {
	for _, arn := range arns {
		x := sender{OK, arn, who, arn}
		of := partsOf(arn)
		switch {
		case of.Resource == "", wild(of.Service + of.AccountID), of.AccountID == "" && wild(of.Resource):
			x.status, x.text = Fail, "whatever matches "+arn+" (by "+who+"), of any account"
		case wild(arn):
			x.status, x.text = Warn, "whatever matches "+arn+", more than one rule or topic"
		case of.AccountID != "" && !slices.Contains(ours, of.AccountID):
			x.status, x.text = Warn, arn+", of account "+of.AccountID+", whose flow logs are not kept here"
		}
		out = append(out, x)
	}
	return out
}

const besidesRule = ", besides the rule"

// named judges a user, role or account by its name alone.
func named(who string, ours []string) sender {
	account, whole := partsOf(who).AccountID, strings.HasSuffix(who, ":root")
	if !strings.Contains(who, ":") {
		account, whole = who, true
	}
	switch {
	case whole && slices.Contains(ours, account):
		return sender{Warn, "every principal of account " + account + " whom IAM lets" + besidesRule, who, ""}
	case whole:
		return sender{Fail, "the account " + account + besidesRule, who, ""}
	case wild(account):
		return sender{Fail, "whoever matches " + who + ", of any account", who, ""}
	}
	return sender{Warn, who + besidesRule, who, ""}
}

// denials are what a policy's Denies of sending say.
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

// both are what two lists have in common: not nil, even if that is nothing.
func both(a, b []string) []string {
	return slices.DeleteFunc(append([]string{}, a...), func(x string) bool { return !slices.Contains(b, x) })
}

func (d denials) because() string {
	if len(d.read) == 0 {
		return ""
	}
	return " (denied by " + alert.Clean(strings.Join(d.read, ", "), 300) + ")"
}

// leave is what the Denies leave of a sender.
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

// losses are the actions by which deletions are lost from a queue: received, hidden
// or thrown away, or kept from coming.
var losses = []string{"sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:DeleteQueue",
	"sqs:SetQueueAttributes", "sqs:AddPermission", "sqs:RemovePermission", "sqs:StartMessageMoveTask"}

// judgeReceivers: nobody from outside own may receive from the queue or change it.
// Whom IAM lets in these accounts is theirs to say.
func (p policy) judgeReceivers(queueARN string, own []string) finding {
	var found, unread []string
	for _, s := range p.statements {
		who, _, ok := s.strangers(own)
		if s.Effect != "Allow" || ok && len(who) == 0 {
			continue
		}
		var may []string
		for _, action := range losses {
			if !s.about(action, queueARN) {
				continue
			}
			switch denies := p.denying(action, queueARN); {
			case len(denies) > 0:
				unread = append(unread, denies...)
			case !ok:
				unread = append(unread, s.where)
			default:
				may = append(may, strings.TrimPrefix(action, "sqs:"))
			}
		}
		if len(may) > 0 {
			found = append(found, strings.Join(who, ", ")+" ("+strings.Join(may, ", ")+")")
		}
	}
	switch {
	case len(found) > 0:
		return finding{Fail, "by the policy these may take deletions out of the queue, or change it: " + alert.Clean(strings.Join(found, "; "), 500), ""}
	case len(unread) > 0:
		return readStatements(unread, "can strangers take deletions out of the queue, or change it?")
	}
	return finding{status: OK}
}

// strangers are the principals of an Allow that are none of the own accounts' and
// may be anybody; only reports that it is for nobody else. ok is false where there
// are some and its conditions may hold them back.
func (s statement) strangers(own []string) (out []string, only, ok bool) {
	arns, accounts, ok := s.limits()
	if len(arns)+len(accounts) > 0 {
		return nil, false, true // who calls for himself has no such key
	}
	if s.NotPrincipal != nil && len(s.Condition) == 0 {
		return []string{theWorld}, true, true
	}
	only = len(s.Principal["Service"]) == 0
	for _, who := range s.Principal["AWS"] {
		switch x := named(who, own); {
		case who == "*":
			out = append(out, theWorld)
		case x.status == Fail:
			out = append(out, strings.TrimSuffix(x.text, besidesRule))
		default:
			only = false
		}
	}
	return out, only && len(out) > 0, s.says() && (ok || len(out) == 0)
}

// denying are the Denies that may keep strangers from an action, whatever else they
// ask for.
func (p policy) denying(action, queueARN string) (where []string) {
	for _, s := range p.statements {
		if s.Effect == "Deny" && s.about(action, queueARN) && !s.isBool("aws:securetransport", "false") && (s.everybody() || !s.plain()) {
			where = append(where, s.where)
		}
	}
	return where
}

// betterPolicy is a policy by which the known sources send, whom the old one exempts
// by name, and nobody else; what the old one says of other things stays, and so does
// what it denies to some, but not what lets strangers take. ok is false where somebody
// could be cut off of whom nothing is known, or we ourselves.
func betterPolicy(text, queueARN string, known sources) (better string, ok bool) {
	p, err := readPolicy(text)
	if err != nil {
		return "", false
	}
	all, unread := p.senders(queueARN, known.ours, p.denials(queueARN))
	from, exempt := slices.Clone(known.rules), []string(nil)
	for _, s := range all {
		switch {
		case s.status == Fail && !known.all:
			return "", false
		case s.status == OK && s.source == "":
			exempt = append(exempt, s.text)
		case s.status == OK:
			from = append(from, s.source)
		}
	}
	slices.Sort(from)
	from = slices.Compact(from)
	if len(from) == 0 || len(known.byRole) > 0 || len(unread) > 0 {
		return "", false
	}
	kept := onlyFrom(queueARN, from, exempt)
	for _, s := range p.statements {
		_, only, ok := s.strangers(known.receivers(queueARN))
		takes := slices.ContainsFunc(losses, func(action string) bool { return s.about(action, queueARN) })
		switch {
		case s.Effect == "Allow" && only && ok && takes:
			if known.self != partsOf(queueARN).AccountID {
				return "", false // we may be one of those that receive by it
			}
		case !s.about(sendMessage, queueARN), s.Effect == "Allow" && !s.onlySends(), s.Effect == "Deny" && (s.exemptsServices() || !s.everybody()):
			kept = append(kept, s.raw)
		}
	}
	better = p.with(kept)
	known.rules = from
	return better, judgePolicy(better, queueARN, known).status == OK
}

// onlyFrom are the statements of deploy/queue-policy.json for some sources; exempt
// are principals that may send as well.
func onlyFrom(queueARN string, from, exempt []string) (out []json.RawMessage) {
	type object = map[string]any
	var services []string
	for _, arn := range from {
		services = append(services, partsOf(arn).Service+".amazonaws.com")
	}
	slices.Sort(services)
	others := object{sourceArn: from}
	if len(exempt) > 0 {
		others[principalArn] = exempt
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
