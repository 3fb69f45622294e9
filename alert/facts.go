package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Fact answers one question of the person on call.
type Fact struct{ Question, Answer string }

// Facts are in the order in which people ask. Each answer has at most limit characters and
// is not empty. After the facts a sink shows the flow logs, and what Flowkeeper does about them.
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
	if a.Actor != nil && !a.Answers() { // the earlier alert has said who
		add("Who", a.Who())
		add("MFA", a.Actor.MFAWords())
		add("From", a.Actor.SourceIP)
		add("With", Clean(a.Actor.with(), shownAgent))
	} else if a.Actor == nil {
		add("Who", a.Who())
	}
	add(a.happened())
	add("Where", strings.TrimSpace(WithAccount(a.Account, a.AccountName)+" "+a.Region))
	add("Before", a.Before())
	add("Repeated", a.howOften())
	add("Refused", a.refusedMore())
	return out
}

// shownAgent is how much of a user agent a short message shows, in characters: the caller
// chooses that text.
const shownAgent = 100

// happened is when it happened, or, if that is unknown, when it was found. A later alert about
// the same loss has neither: its Time is not when the loss was found.
func (a Words) happened() (ask, answer string) {
	if a.DeletedAt == nil && a.EventTime == nil && a.Source == sourceDrift {
		if a.Answers() || a.Kind == Blocked {
			return "", ""
		}
		return "Found", moment(a.Time)
	}
	return "When", a.When()
}

// Who names the caller, with the access key.
func (a Words) Who() string {
	switch {
	case a.Actor == nil && a.Source == sourceDrift && a.Kind == Deletion:
		if a.LateRecords {
			return "not known yet: found by a refresh, before its CloudTrail event, which a log file may bring minutes later"
		}
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

// When is the time when it happened, and how much later Flowkeeper knew.
func (a Words) When() string {
	at := a.happenedAt()
	if at == nil {
		return moment(a.Time)
	}
	return moment(*at) + a.delay(*at)
}

// happenedAt is the time when it happened; nil if that is unknown.
func (a Alert) happenedAt() *Time {
	at := cmp.Or(a.DeletedAt, a.EventTime)
	if at == nil || at.IsZero() {
		return nil
	}
	return at
}

// aboutCall reports whether the alert is about one API call.
func (a Alert) aboutCall() bool { return a.Kind == Deletion || a.Kind == Attempt || a.Kind == Tamper }

// delay says how much later Flowkeeper knew of a call. CloudTrail's times are whole
// seconds.
func (a Words) delay(happened Time) string {
	d := a.Time.Sub(happened.Time)
	if !a.aboutCall() || d < time.Second || a.Repeats != nil {
		return ""
	}
	if d < time.Minute {
		return fmt.Sprintf(", detected %d s later", d/time.Second)
	}
	return ", detected " + span(d.Seconds()) + " later"
}

// RaisedBecause says which facts have raised the level above the rule's.
func (a Words) RaisedBecause() string {
	var why []string
	for _, fact := range a.RaisedBy {
		why = append(why, cmp.Or(factWords[fact], fact))
	}
	return strings.Join(why, " and ")
}

// These facts raise an alert's level above its rule's (docs/detection.md). They are the
// values of RaisedBy.
const (
	ByRoot          = "root"             // by the account's root user
	NoMFA           = "no_mfa"           // by a person who signed in without MFA
	WholeVPC        = "whole_vpc"        // a VPC has no protected flow log left
	DestinationGone = "destination_gone" // the destination of protected flow logs is gone
	IsADecoy        = "decoy"            // a flow log created in the place of a protected one; it records less
)

var factWords = map[string]string{
	ByRoot:          "it was the root user",
	NoMFA:           "a person did it without MFA",
	WholeVPC:        "a VPC has no other flow log",
	DestinationGone: "the destination of flow logs is gone",
	IsADecoy:        "it is a decoy",
}

// Command is the command that shows more about the alert.
func (a Words) Command() string {
	noIncidents := len(a.FlowLogs) == 0 || a.Kind == Destination || a.Kind == Pipeline && a.EventID == ""
	switch {
	case a.Repeats != nil:
		return "flowkeeper alerts show " + a.ID
	case noIncidents:
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
