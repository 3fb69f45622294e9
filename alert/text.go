package alert

import (
	"math"
	"slices"
	"strings"
)

// Write cleans all foreign text of the alert (I12) and fills Title and Text from its other
// fields. The code that makes an alert calls it once, before the alert is stored or sent.
//
// Title is one line. Text says who did it, from where, when, what is affected, and what
// Flowkeeper does about it. Both are safe for a terminal.
func (a *Alert) Write() {
	*a = a.clean()
	a.Title, a.Text = Clean(headline{a.Words()}.title(), MaxTitle), a.Words().text()
}

// AddTo writes the alert and puts it into an outbox. It returns the outbox's error.
func (a Alert) AddTo(outbox interface{ AddAlert(a Alert) error }) error {
	a.Write()
	return outbox.AddAlert(a)
}

// Words has the sentences of an alert, for its text and for sinks that arrange them in their
// own way. A sentence is empty if there is nothing to say. Write has cleaned the alert. A
// sentence can be longer than MaxField: the sink cuts it to the length that it shows.
type Words struct{ Alert }

// Words returns the sentences of the alert.
func (a Alert) Words() Words { return Words{a} }

// text has its lines in the order in which the person on call asks questions.
func (a Words) text() string {
	var t lines
	t.put("What", a.Cause)
	a.addRepeats(&t)
	if a.Rule != nil {
		t.put("Rule", a.Rule.Title+" ("+a.Rule.ID+"), level "+string(a.Level)+ifAny(", raised because ", a.RaisedBecause()))
	}
	a.addWho(&t)
	t.put(a.happened())
	if a.Account != "" {
		t.put("Where", "account "+WithAccount(a.Account, a.AccountName)+ifAny(", Region ", a.Region))
	}
	t.put("Event", a.EventID)
	t.put("Before", a.Before())
	t.list(a.Heading(), a.Lines(a.FlowLogs, mostListed, math.MaxInt))
	t.put("Format", a.format())
	t.list("Refused", a.Lines(a.FailedFlowLogs, mostListed, math.MaxInt))
	if more := a.refusedMore(); more != "" {
		t.add("  " + more)
	}
	t.put("Flowkeeper", a.Doing())
	t.put("To do", a.ownAdvice())
	if a.Kind == Restored {
		terraform(&t, a.FlowLogs)
		cloudFormation(&t, a.FlowLogs)
	}
	a.addCommands(&t)
	return strings.Join(t, "\n")
}

// addWho adds who did it, or, after a drift, that this is not known.
func (a Words) addWho(t *lines) {
	t.put("Who", a.Who())
	if a.Actor == nil {
		return
	}
	if a.Actor.ARN != "" {
		t.put("Role", a.Actor.SessionIssuer)
	}
	t.put("From", a.Actor.SourceIP)
	t.put("With", a.Actor.with())
	t.put("MFA", a.Actor.MFAWords())
}

// Heading is the heading of the list of flow logs.
func (a Words) Heading() string {
	switch a.Kind {
	case Deletion:
		if a.Source == sourceDrift {
			return "Gone"
		}
		return "Deleted"
	case Attempt:
		return "Named in the call"
	case Tamper:
		if a.Source == sourceDrift {
			return "Not protected"
		}
		return "At risk"
	}
	return "Flow logs"
}

// format is the log format of the deleted flow logs; "several" if they differ.
func (a Words) format() string {
	if a.Kind != Deletion || len(a.FlowLogs) == 0 {
		return ""
	}
	f := a.FlowLogs[0].LogFormat
	if slices.ContainsFunc(a.FlowLogs, func(x FlowLog) bool { return x.LogFormat != f }) {
		return "several"
	}
	return Clean(f, MaxField)
}

// lines are the lines of a text that is being written.
type lines []string

func (t *lines) add(s string) { *t = append(*t, s) }

// put adds "key: value", unless the value is empty.
func (t *lines) put(key, value string) {
	if value != "" {
		t.add(key + ": " + value)
	}
}

// mostListed limits how many flow logs a text lists: one call can delete a thousand. The JSON
// has all of them.
const mostListed = 20

// list adds a heading and the items below it, unless there are no items.
func (t *lines) list(heading string, items []string) {
	if len(items) > 0 {
		t.add(heading + ":")
	}
	for _, item := range items {
		t.add("  " + item)
	}
}

// ifAny is the text before, followed by s; empty if s is empty.
func ifAny(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
