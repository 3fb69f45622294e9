package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Write cleans all foreign text of the alert (I12) and fills Title and Text
// from its other fields. Whoever makes an alert calls it once, before the
// alert goes anywhere.
//
// Title is one line; Text says who, from where, what went dark, when, and what
// Flowkeeper does about it. Both are safe for a terminal.
func (a *Alert) Write() {
	*a = a.clean()
	a.Title, a.Text = Clean(titleWords{*a}.title(), MaxTitle), a.Words().text()
}

// Words are the sentences of an alert, for its text and for sinks that arrange them in
// their own way. Each is empty where there is nothing to say. The Alert has been cleaned by
// Write; a sentence can be longer than MaxField, so that a sink cuts it to what it shows.
type Words struct{ Alert }

// Words are those of the alert.
func (a Alert) Words() Words { return Words{a} }

// text is the lines in the order in which a person woken by it asks.
func (a Words) text() string {
	var t lines
	t.put("What", a.Cause)
	a.addRepeats(&t)
	if a.Rule != nil {
		t.put("Rule", a.Rule.Title+" ("+a.Rule.ID+"), level "+string(a.Level)+ifAny(", raised because ", a.RaisedBecause()))
	}
	a.addWho(&t)
	t.put(a.happened())
	a.addWhere(&t)
	t.put("Event", a.EventID)
	t.put("Before", a.Before())
	t.list(a.Heading(), a.Alert, a.FlowLogs)
	t.put("Format", a.format())
	t.list("Refused", a.Alert, a.FailedFlowLogs)
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

// addWho adds nothing where nobody is known: a drift has no actor until its
// event comes.
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

// with is the tool, and the user agent that it claims.
func (a Actor) with() string {
	switch {
	case a.Via == "" || a.Via == a.UserAgent:
		return a.UserAgent
	case a.UserAgent == "":
		return a.Via
	}
	return a.Via + " (" + a.UserAgent + ")"
}

// MFAWords say whether the caller authenticated with MFA, as far as a record says.
func (a Actor) MFAWords() string {
	switch {
	case a.MFA == nil && a.Type == "IAMUser" && strings.HasPrefix(a.AccessKeyID, "AKIA"):
		return "none: a long-term access key"
	case a.MFA == nil:
		return "unknown: the record does not say"
	case !*a.MFA && a.Type == "AssumedRole":
		return "unknown: role sessions do not report MFA"
	case *a.MFA:
		return "yes"
	}
	return "no"
}

// delay is how long it took until we knew; CloudTrail's times are whole
// seconds.
func (a Words) delay(happened Time) string {
	d := a.Time.Sub(happened.Time)
	if a.Kind != Deletion && a.Kind != Attempt && a.Kind != Tamper || happened.IsZero() || d < time.Second || a.Repeats != nil {
		return ""
	}
	if d < time.Minute {
		return fmt.Sprintf(", known %d s later", d/time.Second)
	}
	return ", known " + span(d.Seconds()) + " later"
}

func (a Words) addWhere(t *lines) {
	switch {
	case a.Account != "" && a.Region != "":
		t.put("Where", "account "+a.Account+", Region "+a.Region)
	case a.Account != "":
		t.put("Where", "account "+a.Account)
	}
}

// Heading is that of the list of flow logs.
func (a Words) Heading() string {
	switch a.Kind {
	case Deletion:
		return "Went dark"
	case Attempt:
		return "Asked for"
	case Tamper:
		return "Threatened"
	}
	return "Flow logs"
}

func moment(t Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// span is a length of time as people say it: 2.3 s, 4 min 10 s, 3 h 5 min.
func span(seconds float64) string {
	if seconds < 59.95 {
		return strconv.FormatFloat(max(0, seconds), 'f', 1, 64) + " s"
	}
	d := time.Duration(min(seconds, 1e9) * float64(time.Second)).Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// lines are a text in the making.
type lines []string

func (t *lines) add(s string) { *t = append(*t, s) }

// put adds "key: value", or nothing if there is no value.
func (t *lines) put(key, value string) {
	if value != "" {
		t.add(key + ": " + value)
	}
}
