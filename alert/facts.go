package alert

import (
	"fmt"
	"strings"
)

// Fact is one thing that a person woken by an alert asks, and the answer.
type Fact struct{ Question, Answer string }

// Facts are in the order in which people ask, each answer of at most limit
// characters, and none of them empty. The alert's flow logs, and what is done about them, come after.
func (a Words) Facts(limit int) []Fact {
	var out []Fact
	add := func(ask, answer string) {
		if answer != "" {
			out = append(out, Fact{ask, Clean(answer, limit)})
		}
	}
	add("What", a.Cause)
	add("Raised because", a.RaisedBecause())
	if a.Kind == Tamper {
		add("Target", a.Target)
	}
	if a.Actor != nil && !a.Answers() { // who did it was told with what is answered
		add("Who", a.Who())
		add("MFA", a.Actor.MFAWords())
		add("From", a.Actor.SourceIP)
		add("With", Clean(a.Actor.with(), shownAgent))
	} else if a.Actor == nil {
		add("Who", a.Who())
	}
	add(a.happened())
	add("Where", strings.TrimSpace(a.Account+" "+a.Region))
	add("Before", a.Before())
	add("Repeated", a.howOften())
	add("Refused", a.refusedMore())
	return out
}

// shownAgent bounds a user agent where a message is to be short: it is the
// caller's own text.
const shownAgent = 100

// happened is when it happened, or was found, where nobody knows the first.
func (a Words) happened() (ask, answer string) {
	if a.DeletedAt == nil && a.EventTime == nil && a.Source == "drift" {
		return "Found", moment(a.Time)
	}
	return "When", a.When()
}

// Who is who did it, with the access key.
func (a Words) Who() string {
	switch {
	case a.Actor == nil && a.Source == "drift" && a.Kind == Deletion:
		return "unknown: found by a refresh, without a CloudTrail event"
	case a.Actor == nil:
		return ""
	}
	who := a.Actor.Who()
	if a.Actor.AccessKeyID != "" && !strings.Contains(who, a.Actor.AccessKeyID) {
		who += ", access key " + a.Actor.AccessKeyID
	}
	return who
}

// When is when it happened, and how long it took to hear of it.
func (a Words) When() string {
	at := a.DeletedAt
	if at == nil {
		at = a.EventTime
	}
	if at == nil || at.IsZero() {
		return moment(a.Time)
	}
	return moment(*at) + a.delay(*at)
}

// Tally says how many flow logs there are, of how many resources, and how they
// stand: what is left of a thousand on a phone.
func Tally(logs []FlowLog) string {
	resources, states := map[string]bool{}, map[string]int{}
	for _, f := range logs {
		if f.ResourceID != "" {
			resources[f.ResourceID] = true
		}
		states[f.State]++
	}
	s := Plural(len(logs), "flow log")
	if len(resources) > 0 {
		s += " of " + Plural(len(resources), "resource")
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

// Command is the command line that shows more than a sink does.
func (a Words) Command() string {
	switch {
	case a.Repeats != nil:
		return "flowkeeper alerts show " + a.ID
	case len(a.FlowLogs) == 0 || a.Kind == Destination || a.Kind == Pipeline && a.EventID == "":
		return "flowkeeper alerts list --json"
	case a.Kind == Tamper && len(a.FlowLogs) == 1 && plainID(a.FlowLogs[0].FlowLogID):
		return "flowkeeper inventory show " + a.FlowLogs[0].FlowLogID
	case a.Kind == Tamper:
		return "flowkeeper inventory list"
	case len(a.FlowLogs) == 1 && plainID(a.FlowLogs[0].FlowLogID):
		return "flowkeeper incidents show " + a.FlowLogs[0].FlowLogID
	}
	return "flowkeeper incidents list, flowkeeper incidents show ID"
}
