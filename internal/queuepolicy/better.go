package queuepolicy

import (
	"encoding/json"
	"slices"
	"strings"

	"flowkeeper/inventory"
)

// Better returns a policy that lets only the known sources send, and the principals whom the old
// policy exempts by name. It keeps statements about other actions, and denials for some
// principals. It drops statements that let outsiders receive. ok is false if the new policy could
// take access from somebody unknown, or from Flowkeeper.
func Better(text, queueARN string, known Sources) (better string, ok bool) {
	p, err := readPolicy(text)
	d := p.sending(queueARN, owners{known.Ours, known.LogFiles})
	if err != nil || len(known.ByRole)+len(d.unread) > 0 {
		return "", false
	}
	from, exempt := slices.Clone(known.Rules), []string(nil)
	for _, x := range d.all {
		pattern := x.source == "" && wild(x.who)
		service := inventory.ParseARN(x.source).Service
		mayAnnounce := x.status != OK && (service == "s3" || service == "sns")
		switch {
		case mayAnnounce:
			return "", false // a bucket or topic may bring log files: its notices would be denied
		case x.organization != "", pattern, x.status == Fail && !known.All:
			return "", false // who sends by it is not known
		case x.status == OK && x.source == "":
			exempt = append(exempt, x.who)
		case x.status == OK:
			from = append(from, x.source)
		}
	}
	slices.Sort(from)
	from = slices.Compact(from)
	own := inventory.ParseARN(queueARN).AccountID
	p.document.Statement = onlyFrom(queueARN, from, exempt)
	for _, s := range p.statements {
		strangers, ok := s.strangers([]string{own, known.Self})
		onlyStrangers := ok && len(strangers) > 0 && len(strangers) == len(s.Principal["AWS"])+len(s.Principal["Service"])
		allowsMore := s.Effect == "Allow" && slices.ContainsFunc(s.Action, func(a string) bool { return !strings.EqualFold(a, sendMessage) })
		deniesSome := s.Effect == "Deny" && (s.sparesServices() || !s.everybody())
		switch {
		case s.Effect == "Allow" && s.about(sendMessage, queueARN) && slices.ContainsFunc(s.Principal["Service"], regional):
			return "", false // onlyFrom allows no service's principal for one Region
		case s.Effect == "Allow" && onlyStrangers && len(s.losses(queueARN)) > 0:
			if known.Self != own {
				return "", false // this statement may be what lets us receive
			}
		case !s.about(sendMessage, queueARN), allowsMore, deniesSome:
			p.document.Statement = append(p.document.Statement, s.raw)
		case !s.plain():
			return "", false // it may deny more than sending
		}
	}
	better, known.Rules = string(marshal(p.document)), from
	return better, len(from) > 0 && Judge(better, queueARN, known).Status == OK
}

// onlyFrom are the statements of deploy/queue-policy.json for some sources; exempt
// are principals that may send as well.
func onlyFrom(queueARN string, from, exempt []string) []json.RawMessage {
	type object = map[string]any
	var services []string
	for _, arn := range from {
		services = append(services, inventory.ParseARN(arn).Service+".amazonaws.com")
	}
	slices.Sort(services)
	others := object{"aws:SourceArn": from}
	if len(exempt) > 0 {
		others["aws:PrincipalArn"] = exempt
	}
	return []json.RawMessage{
		marshal(object{"Effect": "Allow", "Principal": object{"Service": slices.Compact(services)}, "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnEquals": object{"aws:SourceArn": from}}}),
		marshal(object{"Effect": "Deny", "Principal": "*", "Action": sendMessage, "Resource": queueARN,
			"Condition": object{"ArnNotEquals": others}}),
	}
}
