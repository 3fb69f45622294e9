package alert

import (
	"fmt"
	"strings"
)

// fact is one thing that a person woken by an alert asks, and the answer.
type fact struct{ ask, answer string }

// facts of an alert, in the order in which people ask, each answer of at most
// limit characters. Its flow logs, and what is done about them, come after.
func (a Alert) facts(limit int) []fact {
	var out []fact
	add := func(ask, answer string) {
		if answer != "" {
			out = append(out, fact{ask, Clean(answer, limit)})
		}
	}
	add("What", a.Cause)
	if a.Kind == Tamper {
		add("To", a.Target)
	}
	add("Who", a.whoShort())
	if a.Actor != nil {
		add("MFA", a.Actor.mfa())
		add("From", a.Actor.SourceIP)
		add("With", a.Actor.with())
	}
	add("When", a.whenHeard())
	add("Where", strings.TrimSpace(a.Account+" "+a.Region))
	add("Before", deeds(a.Recent))
	add("Raised by", strings.Join(a.RaisedBy, "; "))
	return out
}

func (a Alert) whoShort() string {
	switch {
	case a.Actor == nil && a.Source == "drift" && a.Kind == Deletion:
		return "not known: a refresh found it, no event told of it"
	case a.Actor == nil:
		return ""
	}
	who := a.Actor.name()
	if a.Actor.Type != "" && a.Actor.Type != who {
		who = a.Actor.Type + " " + who
	}
	if a.Actor.AccessKeyID != "" {
		who += ", access key " + a.Actor.AccessKeyID
	}
	return who
}

func (a Actor) with() string {
	switch {
	case a.Via == "":
		return a.UserAgent
	case a.UserAgent == "":
		return a.Via
	}
	return a.Via + " (" + a.UserAgent + ")"
}

// whenHeard is when it happened, and how long it took to hear of it.
func (a Alert) whenHeard() string {
	at := a.DeletedAt
	if at == nil {
		at = a.EventTime
	}
	switch {
	case at == nil || at.IsZero():
		return moment(a.Time)
	case a.Kind == Deletion || a.Kind == Attempt || a.Kind == Tamper:
		return moment(*at) + ", told " + span(a.Time.Sub(at.Time).Seconds()) + " later"
	}
	return moment(*at)
}

// deeds are what the same principal did in the hour before.
func deeds(all []Deeds) string {
	var out []string
	for _, d := range all[:min(len(all), maxDeeds)] {
		s := fmt.Sprintf("%d × %s", d.Calls, d.EventName)
		if d.FlowLogs > 0 {
			s += fmt.Sprintf(" of %d flow logs", d.FlowLogs)
		}
		if d.Refused > 0 {
			s += fmt.Sprintf(", %d refused", d.Refused)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

const maxDeeds = 5 // kinds of calls named

// tally says how many flow logs there are, of how many resources, and how they
// stand: what is left of a thousand on a phone.
func tally(logs []FlowLog) string {
	resources, states := map[string]bool{}, map[string]int{}
	for _, f := range logs {
		if f.ResourceID != "" {
			resources[f.ResourceID] = true
		}
		states[f.State]++
	}
	s := count(len(logs), "flow log")
	if len(resources) > 0 {
		s += " of " + count(len(resources), "resource")
	}
	var parts []string
	for _, state := range []string{"open", "blocked", "restored", "verified", "closed"} {
		if n := states[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// details is the command that shows more than a sink does.
func (a Alert) details() string {
	switch {
	case len(a.FlowLogs) == 0 || a.Kind == Destination || a.Kind == Pipeline && a.EventID == "":
		return "flowkeeper alerts list --json"
	case len(a.FlowLogs) == 1 && plainID(a.FlowLogs[0].FlowLogID):
		return "flowkeeper incidents show " + a.FlowLogs[0].FlowLogID
	}
	return "flowkeeper incidents list, flowkeeper incidents show ID"
}
