package incident

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// The notation of scenarios, as in
//
//	{"nothing is there", given(live("fl-1"), pending("fl-1")), observe(),
//		`= create | row fl-1: State=gone GoneAt=now | fl-1: AbsentAt=now NextAttemptAt=now`}
//
// given(...) is a case with these rows and incidents. Rows: live, gone. Incidents: pending (open),
// blocked, closed, back (restored). Both take functions that change them, such as held or
// drifted; a func(*Case) changes the case. The third part is what is done to the case. The
// last part is all that this changes:
//
//	= create                    what the third part returned: here what decide says
//	row fl-1: State=gone        the fields of a row that have changed; "new row": there was none
//	fl-1: NextAttemptAt=+1m0s   the same of an incident; "opened", "reopened": what differs from the result of New, reopen
//	logged fl-1 closed/held: …  a line in the history and in the log; "history", "log": in one of them
//	note stuck fl-1             a note for the event (effects.go)
//
// Times are "now", "never" (zero), or relative to now: "-1m0s" is noon. Settings are "wanted",
// or how they differ from that. What is not named has not changed.

// now is the time of the cases in tests: a minute after incidents were opened.
var now = noon.Add(time.Minute)

// scenario is one change of a case, and its whole result as report writes it. In want, line ends or vertical bars
// separate the parts.
type scenario struct {
	name  string
	given *Case
	do    func(*Case) string // what the method returned; empty: nothing
	want  string
}

func play(t *testing.T, scenarios []scenario) {
	t.Helper()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if d := gocmp.Diff(lines(s.want), lines(report(s.given, s.do))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func lines(s string) (out []string) {
	for _, l := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '|' }) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// given makes a case of rows and incidents; functions change it.
func given(things ...any) *Case {
	c := &Case{Scope: scope, Complete: true, Holds: true, Policy: policy, Now: now}
	for _, x := range things {
		switch x := x.(type) {
		case inventory.Row:
			c.Load([]inventory.Row{x}, nil)
		case Incident:
			c.Load(nil, []Incident{x})
		case func(*Case):
			x(c)
		default:
			panic(fmt.Sprintf("a case has no %T", x))
		}
	}
	return c
}

// flowLog is a flow log with the settings wanted, a day old.
func flowLog(id string, change ...func(*inventory.FlowLog)) inventory.FlowLog {
	f := inventory.FlowLog{ID: id, Scope: scope, Settings: wanted, Status: "ACTIVE", CreatedAt: noon.Add(-24 * time.Hour)}
	for _, fn := range change {
		fn(&f)
	}
	return f
}

// made is a flow log that was made ten seconds after the loss.
func made(id string, change ...func(*inventory.FlowLog)) inventory.FlowLog {
	f := flowLog(id, change...)
	f.CreatedAt = noon.Add(10 * time.Second)
	return f
}

func rejects(f *inventory.FlowLog)   { f.TrafficType = "REJECT" }
func elsewhere(f *inventory.FlowLog) { f.LogDestination = "arn:aws:s3:::elsewhere" }
func pendingDelivery(f *inventory.FlowLog) {
	f.Status = ""
}

func failing(f *inventory.FlowLog) {
	f.DeliverLogsStatus, f.DeliverLogsErrorMessage = "FAILED", "Access error"
}

// live and gone are protected rows.
func live(id string, change ...func(*inventory.Row)) inventory.Row {
	r := inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live, Protected: true,
		FirstSeenAt: noon.Add(-24 * time.Hour), LastSeenAt: noon.Add(-time.Hour), WrittenAt: noon.Add(-24 * time.Hour)}
	for _, fn := range change {
		fn(&r)
	}
	return r
}

func gone(id string, change ...func(*inventory.Row)) inventory.Row {
	r := live(id)
	r.State, r.GoneAt = inventory.Gone, noon
	for _, fn := range change {
		fn(&r)
	}
	return r
}

func unprotected(r *inventory.Row) { r.Protected = false }
func excluded(r *inventory.Row)    { r.Protected, r.Excluded = false, true }
func held(r *inventory.Row)        { r.Protected, r.Held = false, true }
func imported(r *inventory.Row)    { r.Imported = true }
func released(r *inventory.Row) {
	r.ReleasedAt, r.ReleasedUntil = noon.Add(-time.Minute), noon.Add(time.Hour)
}
func does(change func(*inventory.FlowLog)) func(*inventory.Row) {
	return func(r *inventory.Row) { change(&r.FlowLog) }
}

// pending is an open incident that is due since it was opened, a minute ago.
func pending(id string, change ...func(*Incident)) Incident {
	i := lost()
	i.FlowLogID, i.RootID, i.EventID, i.NextAttemptAt, i.DetectedAt = id, id, "e-1", noon, noon
	i.FirstSeenAt, i.LastSeenAt = noon.Add(-24*time.Hour), noon.Add(-time.Hour)
	for _, fn := range change {
		fn(&i)
	}
	return i
}

func blocked(id string, reason Reason, change ...func(*Incident)) Incident {
	i := pending(id)
	i.State, i.Reason, i.NextAttemptAt, i.StuckNews = Blocked, reason, now.Add(time.Minute), true
	i.Stuck = &Stuck{Kind: alert.Blocked, Message: "AWS's words"}
	for _, fn := range change {
		fn(&i)
	}
	return i
}

func closed(id string, reason Reason, change ...func(*Incident)) Incident {
	i := pending(id)
	i.State, i.Reason, i.NextAttemptAt = Closed, reason, time.Time{}
	for _, fn := range change {
		fn(&i)
	}
	return i
}

// back is an incident that was restored at noon.
func back(id, newID string, change ...func(*Incident)) Incident {
	i := pending(id)
	i.State, i.NewID, i.RestoredAt, i.NextAttemptAt = Restored, newID, noon, now
	for _, fn := range change {
		fn(&i)
	}
	return i
}

func unknown(i *Incident) {
	i.Known, i.ResourceID, i.Frozen, i.FirstSeenAt, i.LastSeenAt = false, "", inventory.Settings{}, time.Time{}, time.Time{}
}

func drifted(i *Incident) { i.Source, i.Actor, i.DeletedAt = ByDrift, nil, time.Time{} }

// freezes changes the frozen settings.
func freezes(change func(*inventory.FlowLog)) func(*Incident) {
	return func(i *Incident) {
		f := inventory.FlowLog{Settings: i.Frozen}
		change(&f)
		i.Frozen = f.Settings
	}
}

func asked(action Action) func(*Incident) { return func(i *Incident) { i.Action = action } }

// report does something to a case and writes what changed, a line for each: what the method returned; the changed
// fields of rows and incidents; lines of the history and of the log ("logged": the same line in both); notes. "named"
// stands for the history's line of record e-2 by mallory.
func report(c *Case, do func(*Case) string) string {
	rows, incidents := maps.Clone(c.rows.byID), maps.Clone(c.incidents.byID)
	var out []string
	if answer := do(c); answer != "" {
		out = append(out, "= "+answer)
	}
	changedRows, changedIncidents := c.Changes()
	for _, r := range changedRows {
		before, known := rows[r.ID]
		verb := "row "
		if !known {
			verb, before = "new row ", inventory.Row{FlowLog: made(r.ID)}
		}
		out = append(out, verb+r.ID+": "+differences(before, r))
	}
	for _, i := range changedIncidents {
		before, found := incidents[i.FlowLogID]
		verb := ""
		switch {
		case !found:
			row, known := c.Row(i.FlowLogID)
			verb, before = " opened", New(c.Scope, i.FlowLogID, row, known, c.Now)
		case !before.Pending() && i.State == Open:
			verb, before = " reopened", before.reopen(c.Now)
		}
		out = append(out, i.FlowLogID+verb+": "+differences(before, i))
	}
	out = slices.DeleteFunc(out, func(l string) bool { // saved without a change
		return strings.HasSuffix(l, ": ") && !strings.HasSuffix(l, "opened: ")
	})
	log := slices.Clone(c.Effects.Log)
	for _, h := range c.Effects.History {
		verb := "history"
		if n := slices.IndexFunc(log, func(l LogLine) bool { return l.Incident.FlowLogID == h.FlowLogID && l.Text == h.Entry.Text && !l.Retry }); n >= 0 {
			verb, log = "logged", slices.Delete(log, n, n+1)
		}
		if !h.Entry.At.Equal(c.Now) {
			verb += " at another time"
		}
		by := ""
		if h.Entry.EventID != "" {
			by = " (" + h.Entry.EventID + ")"
		}
		if h.Entry.Actor != nil {
			by += " by " + path.Base(h.Entry.Actor.ARN)
		}
		line := fmt.Sprintf("%s %s %s: %s%s", verb, h.FlowLogID, standing(h.Entry.State, h.Entry.Reason), h.Entry.Text, by)
		out = append(out, strings.Replace(line, "named by a record of DeleteFlowLogs (e-2) by mallory", "named", 1))
	}
	for _, l := range log {
		verb := "log"
		if l.Retry {
			verb = "retry"
		}
		out = append(out, fmt.Sprintf("%s %s %s: %s", verb, l.Incident.FlowLogID, standing(l.Incident.State, l.Incident.Reason), l.Text))
	}
	for _, n := range c.Effects.Notes {
		line := fmt.Sprintf("note %s %s", n.Kind, n.Incident.FlowLogID)
		if n.Message != "" {
			line += ": " + n.Message
		}
		out = append(out, line)
	}
	return strings.ReplaceAll(strings.Join(out, "\n"), "`", "'")
}

func standing(s State, reason Reason) string {
	if reason == "" {
		return string(s)
	}
	return string(s) + "/" + string(reason)
}

// differences lists the fields of a struct that have changed, with their new values.
func differences[T any](before, after T) string {
	return strings.Join(fieldsOf(reflect.ValueOf(before), reflect.ValueOf(after)), " ")
}

func fieldsOf(before, after reflect.Value) (out []string) {
	for n := range after.NumField() {
		f := after.Type().Field(n)
		x, y := before.Field(n), after.Field(n)
		switch {
		case reflect.DeepEqual(x.Interface(), y.Interface()):
		case f.Anonymous:
			out = append(out, fieldsOf(x, y)...)
		default:
			out = append(out, f.Name+"="+value(y.Interface()))
		}
	}
	return out
}

func value(v any) string {
	switch v := v.(type) {
	case time.Time:
		switch {
		case v.IsZero():
			return "never"
		case v.Equal(now):
			return "now"
		case v.Before(now):
			return "-" + now.Sub(v).String()
		}
		return "+" + v.Sub(now).String()
	case inventory.Settings:
		if v.ResourceID == "" {
			return "nothing"
		}
		return cmp.Or(strings.Join(inventory.Differences(scope, wanted, v), ", "), "wanted")
	case *alert.Actor:
		if v == nil {
			return "nobody"
		}
		return path.Base(v.ARN)
	case *inventory.DecoyNotice:
		if v == nil {
			return "none"
		}
		return fmt.Sprintf("(of %s, due %s)", cmp.Or(v.Of, "another"), value(v.Due))
	case *SentCall:
		if v == nil {
			return "none"
		}
		return sentCall(*v)
	case *Stuck:
		if v == nil {
			return "nothing"
		}
		return fmt.Sprintf("%s(%s)", v.Kind, short(v.Message))
	case Reason:
		return short(string(v))
	case string:
		return short(v)
	}
	return fmt.Sprint(v)
}

// sentCall says when a call was sent, and its token if that is no hash.
func sentCall(s SentCall) string {
	of := []string{value(s.At)}
	if !s.Before.IsZero() {
		of = append(of, "before "+value(s.Before))
	}
	if s.Final {
		of = append(of, "final")
	}
	if len(s.Token) < 64 {
		of = append(of, s.Token)
	}
	return "sent(" + strings.Join(of, ", ") + ")"
}

// short cuts a text after 40 bytes. It puts quotation marks around it unless it is one word.
func short(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "…"
	}
	if s == "" || strings.Contains(s, " ") {
		return `"` + s + `"`
	}
	return s
}
