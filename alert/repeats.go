package alert

import "fmt"

// Repeats sums up, in one alert, many calls of the same kind. They followed a call that had
// an alert of its own.
type Repeats struct {
	Calls    int    `json:"calls"`
	FlowLogs int    `json:"flow_logs,omitempty"` // that they name, each counted as often as it is named
	From     Time   `json:"from"`                // when the first was received
	To       Time   `json:"to"`                  // when the last was received
	Several  bool   `json:"several_principals,omitempty"`
	Examples []Call `json:"examples,omitempty"` // the most severe of them, at most 20
}

// Call is one API call among those of Repeats, as its record has it.
type Call struct {
	EventID   string `json:"event_id,omitempty"`
	EventName string `json:"event_name"`
	Time      *Time  `json:"time,omitempty"`
	Region    string `json:"region,omitempty"`
	Principal string `json:"principal,omitempty"` // if several principals made the calls
	ErrorCode string `json:"error_code,omitempty"`
	FlowLogs  int    `json:"flow_logs,omitempty"` // that it names
	FlowLogID string `json:"flow_log_id,omitempty"`
	Target    string `json:"target,omitempty"`
}

// maxCallField limits each text of an example, in characters.
const maxCallField = 128

// Short is the call with its texts cleaned and cut, because a state file keeps many calls.
func (c Call) Short() Call {
	cleanAll(maxCallField, &c.EventID, &c.EventName, &c.Region, &c.Principal, &c.ErrorCode, &c.FlowLogID, &c.Target)
	return c
}

func (r *Repeats) clean() *Repeats {
	if r == nil {
		return nil
	}
	out := *r
	out.Examples = make([]Call, len(r.Examples))
	for n, c := range r.Examples {
		out.Examples[n] = c.Short()
	}
	return &out
}

// repeatsTitle is the title of an alert about many calls.
func (a headline) repeatsTitle() string {
	by := a.by()
	if a.Repeats.Several {
		by = " by several principals"
	}
	switch a.Kind {
	case Attempt:
		return Plural(a.Repeats.Calls, "more attempt") + " to delete flow logs" + by + a.in()
	case Deletion:
		return Plural(a.Repeats.Calls, "more record") + " of deletions" + by + a.in() + ": Flowkeeper never saw these flow logs"
	case Closed:
		return "Finished: " + Plural(a.Repeats.Calls, "record") + " of deletions of flow logs that Flowkeeper never saw" + a.in()
	}
	return "Tampering, " + Plural(a.Repeats.Calls, "more call") + by + a.in() + ": " + a.because("something that flow logs depend on was changed")
}

// howOften says how many calls Repeats sums up, and when they were received.
func (a Words) howOften() string {
	r := a.Repeats
	if r == nil {
		return ""
	}
	s := fmt.Sprintf("%s after one that has an alert of its own, from %s to %s", Plural(r.Calls, "call"), moment(r.From), moment(r.To))
	if a.Kind == Closed {
		s = fmt.Sprintf("%s since %s", Plural(r.Calls, "call"), moment(r.From))
	}
	if r.FlowLogs > 0 {
		s += ", which name " + Plural(r.FlowLogs, "flow log")
	}
	return s
}

// refusedMore says how many IDs AWS refused, if the alert does not list all.
func (a Words) refusedMore() string {
	if a.FailedOmitted == 0 {
		return ""
	}
	return Plural(len(a.FailedFlowLogs)+a.FailedOmitted, "flow log") + " in all"
}

// addRepeats adds howOften and the examples.
func (a Words) addRepeats(t *lines) {
	r := a.Repeats
	t.put("Repeated", a.howOften())
	if r == nil || len(r.Examples) == 0 {
		return
	}
	var calls []string
	for _, c := range r.Examples {
		calls = append(calls, c.line())
	}
	if more := r.Calls - len(r.Examples); more > 0 {
		calls = append(calls, fmt.Sprintf("and %d more", more))
	}
	t.list("Examples", calls)
}

func (c Call) line() string {
	s := c.EventName + ifAny(" of ", c.Target)
	switch {
	case c.FlowLogs == 1 && c.FlowLogID != "":
		s += " of " + c.FlowLogID
	case c.FlowLogs > 0:
		s += " of " + Plural(c.FlowLogs, "flow log")
	}
	if c.Time != nil {
		s += " at " + moment(*c.Time)
	}
	return s + ifAny(", ", c.ErrorCode) + ifAny(", by ", c.Principal) + ifAny(", event ", c.EventID)
}
