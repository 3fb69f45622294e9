package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Fact is one thing that a person woken by an alert asks, and the answer.
type Fact struct{ Question, Answer string }

// Facts are in the order in which people ask, each answer of at most limit characters,
// and none of them empty. A sink shows the flow logs, and what is done about them, after
// these.
func (a Alert) Facts(limit int) []Fact {
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
	if a.Actor != nil && !a.Answers() { // the alert that this one answers has said who
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
func (a Alert) happened() (ask, answer string) {
	if a.DeletedAt == nil && a.EventTime == nil && a.Source == sourceDrift {
		return "Found", moment(a.Time)
	}
	return "When", a.When()
}

// Who is who did it, with the access key.
func (a Alert) Who() string {
	switch {
	case a.Actor == nil && a.Source == sourceDrift && a.Kind == Deletion:
		return "not known yet: found by a refresh, without a CloudTrail event"
	case a.Actor == nil:
		return ""
	}
	who := a.Actor.Who()
	if a.Actor.AccessKeyID != "" && !strings.Contains(who, a.Actor.AccessKeyID) {
		who += ", access key " + a.Actor.AccessKeyID
	}
	return who
}

// When is when it happened, and how long it took until Flowkeeper knew.
func (a Alert) When() string {
	at := a.happenedAt()
	if at == nil {
		return moment(a.Time)
	}
	return moment(*at) + a.delay(*at)
}

// happenedAt is when what the alert is about happened; nil where nobody knows.
func (a Alert) happenedAt() *Time {
	at := cmp.Or(a.DeletedAt, a.EventTime)
	if at == nil || at.IsZero() {
		return nil
	}
	return at
}

// aboutCall reports whether the alert is about an API call of somebody.
func (a Alert) aboutCall() bool { return a.Kind == Deletion || a.Kind == Attempt || a.Kind == Tamper }

// delay is how long that took; CloudTrail's times are whole seconds.
func (a Alert) delay(happened Time) string {
	d := a.Time.Sub(happened.Time)
	if !a.aboutCall() || d < time.Second || a.Repeats != nil {
		return ""
	}
	if d < time.Minute {
		return fmt.Sprintf(", known %d s later", d/time.Second)
	}
	return ", known " + span(d.Seconds()) + " later"
}

// RaisedBecause says which facts put the level above the rule's.
func (a Alert) RaisedBecause() string {
	var why []string
	for _, fact := range a.RaisedBy {
		why = append(why, cmp.Or(factWords[fact], fact))
	}
	return strings.Join(why, " and ")
}

// The facts that raise an alert's level above its rule's (docs/detection.md); RaisedBy
// has them.
const (
	ByRoot          = "root"             // by the account's root user
	NoMFA           = "no_mfa"           // by a person who signed in without MFA
	WholeVPC        = "whole_vpc"        // a VPC has no protected flow log left
	DestinationGone = "destination_gone" // what protected flow logs deliver to is gone
	IsADecoy        = "decoy"            // made in the place of a protected one, and does less
)

var factWords = map[string]string{
	ByRoot:          "it was the root user",
	NoMFA:           "a person did it without MFA",
	WholeVPC:        "a VPC has no other flow log",
	DestinationGone: "what flow logs deliver to is gone",
	IsADecoy:        "it is a decoy",
}

// Command is the command line that shows more than a sink does.
func (a Alert) Command() string {
	switch {
	case a.Repeats != nil:
		return "flowkeeper alerts show " + a.ID
	case len(a.FlowLogs) == 0 || a.Kind == Destination || a.Kind == Pipeline && a.EventID == "":
		return "flowkeeper alerts list --json"
	case a.Kind == Tamper && len(a.FlowLogs) == 1 && plain(a.FlowLogs[0].FlowLogID, "-"):
		return "flowkeeper inventory show " + a.FlowLogs[0].FlowLogID
	case a.Kind == Tamper:
		return "flowkeeper inventory list"
	case len(a.FlowLogs) == 1 && plain(a.FlowLogs[0].FlowLogID, "-"):
		return "flowkeeper incidents show " + a.FlowLogs[0].FlowLogID
	}
	return "flowkeeper incidents list, flowkeeper incidents show ID"
}
