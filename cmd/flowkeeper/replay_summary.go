package main

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/term"
)

// Bounds of a summary. Who calls can choose the names of sessions, so that there may be any number
// of rows.
const (
	mostRows   = 1000    // that are kept, at the end
	mostEvents = 1 << 18 // that are known, to count a repeated one once
)

// callSummary counts findings by who did what, and where. What it keeps is bounded: if there are too
// many rows, the least severe are dropped, of these the least frequent, and only counted. So what
// takes no permission to repeat hides no deletion. The zero value is ready.
type callSummary struct {
	rows    map[summaryKey]*summaryRow
	events  map[uint64]struct{} // hashes of the IDs of events
	seed    maphash.Seed
	dropped int // findings of rows that were dropped
	again   int // findings of events that were counted already
}

type summaryKey struct{ kind, call, who, account, region string }

// summaryRow is one line of the table. Its JSON is a public contract, as findingJSON is.
type summaryRow struct {
	Kind     string      `json:"kind"` // as of a finding; others: of rows that are not shown
	Level    alert.Level `json:"level,omitempty"`
	Rule     *alert.Rule `json:"rule,omitempty"`
	Call     string      `json:"event_name,omitempty"`
	Who      string      `json:"who,omitempty"`       // the role of a session, else the caller
	Session  string      `json:"session,omitempty"`   // its ARN, if all calls are of the same
	Account  string      `json:"account,omitempty"`   // of the records
	Region   string      `json:"region,omitempty"`    // of the records
	Count    int         `json:"count"`               // of events
	FlowLogs int         `json:"flow_logs,omitempty"` // that they name, each as often as it is named
	First    alert.Time  `json:"first,omitzero"`      // time of the first event
	Last     alert.Time  `json:"last,omitzero"`

	short    string // of Who, for the table
	sessions bool   // there are several
}

func (s *callSummary) add(v findingJSON) {
	if s.rows == nil {
		s.rows, s.events, s.seed = map[summaryKey]*summaryRow{}, map[uint64]struct{}{}, maphash.MakeSeed()
	}
	if v.EventID != "" {
		id := maphash.String(s.seed, v.Kind+" "+v.EventID)
		if _, known := s.events[id]; known {
			s.again++
			return
		}
		if len(s.events) < mostEvents {
			s.events[id] = struct{}{}
		}
	}
	row := newSummaryRow(v)
	key := summaryKey{v.Kind, v.EventName, row.Who, v.Account, v.Region}
	if there := s.rows[key]; there != nil {
		there.merge(row)
		return
	}
	s.rows[key] = row
	if len(s.rows) == 2*mostRows {
		s.drop()
	}
}

// newSummaryRow is the row of one finding.
func newSummaryRow(v findingJSON) *summaryRow {
	row := &summaryRow{Kind: v.Kind, Level: v.Level, Rule: v.Rule, Call: v.EventName, Account: v.Account, Region: v.Region, Count: 1,
		FlowLogs: max(len(v.FlowLogs), len(v.FailedFlowLogs)), First: v.Time, Last: v.Time}
	if v.Kind == "tamper" {
		row.FlowLogs = 0 // they depend on what was changed
	}
	if v.Actor == nil {
		return row
	}
	who := *v.Actor
	if person := strings.Contains(who.SessionIssuer, "/AWSReservedSSO_"); who.SessionIssuer != "" && who.ARN != "" && !person {
		row.Session = who.ARN
		who.ARN = who.SessionIssuer
	}
	row.Who, row.short = who.Name(), who.Short()
	if who.Account != "" && !strings.Contains(row.short, who.Account) {
		row.short += " of " + who.Account
	}
	return row
}

func (r *summaryRow) merge(o *summaryRow) {
	r.Count += o.Count
	r.FlowLogs += o.FlowLogs
	r.Level = alert.Highest(r.Level, o.Level)
	if r.Session != o.Session {
		r.Session, r.sessions = "", true
	}
	if !o.First.IsZero() && (r.First.IsZero() || o.First.Before(r.First.Time)) {
		r.First = o.First
	}
	if o.Last.After(r.Last.Time) {
		r.Last = o.Last
	}
}

// sorted are the rows, the most severe first, of these the most frequent.
func (s *callSummary) sorted() []*summaryRow {
	keys := slices.SortedFunc(maps.Keys(s.rows), func(a, b summaryKey) int {
		x, y := s.rows[a], s.rows[b]
		switch {
		case x.Level != y.Level && x.Level.AtLeast(y.Level):
			return -1
		case x.Level != y.Level:
			return 1
		}
		return cmp.Or(cmp.Compare(y.Count, x.Count), x.First.Compare(y.First.Time), cmp.Compare(a.who, b.who), cmp.Compare(a.call, b.call),
			cmp.Compare(a.account, b.account), cmp.Compare(a.region, b.region), cmp.Compare(a.kind, b.kind))
	})
	rows := make([]*summaryRow, 0, len(keys))
	for _, k := range keys {
		rows = append(rows, s.rows[k])
	}
	return rows
}

// drop leaves mostRows rows.
func (s *callSummary) drop() {
	rows := s.sorted()
	if len(rows) <= mostRows {
		return
	}
	last := map[*summaryRow]bool{}
	for _, r := range rows[mostRows:] {
		last[r] = true
		s.dropped += r.Count
	}
	maps.DeleteFunc(s.rows, func(_ summaryKey, r *summaryRow) bool { return last[r] })
}

func printSummary(a *app, s *callSummary) {
	s.drop()
	rows, others := s.sorted(), s.dropped
	if a.Terminal && !a.JSON && len(rows) > terminalLimit {
		for _, r := range rows[terminalLimit:] {
			others += r.Count
		}
		rows = rows[:terminalLimit]
	}
	table := a.Table(term.Whole("LEVEL").OrDrop(1), term.CutTo(14, "CALL"), term.CutTo(14, "WHO").KeepEnd(), term.Whole("ACCOUNT").OrDrop(5), term.Whole("REGION").OrDrop(4),
		term.Whole("TIMES"), term.Whole("FLOW LOGS").OrDrop(2), term.Whole("FIRST (UTC)").OrDrop(3), term.Whole("LAST (UTC)").OrDrop(6))
	for _, r := range rows {
		flowLogs := ""
		if r.FlowLogs > 0 {
			flowLogs = strconv.Itoa(r.FlowLogs)
		}
		table.Add(r, levelCell(r.Level), r.call(), r.caller(), r.Account, r.Region, r.Count, flowLogs, shortTime(r.First.Time), shortTime(r.Last.Time))
	}
	table.Flush()
	switch {
	case others > 0 && a.JSON:
		a.Object(summaryRow{Kind: "others", Count: others})
	case others > 0:
		a.Note("%s of others, less severe or less frequent", alert.Plural(others, "finding"))
	}
	if s.again > 0 {
		a.Note("%s again, counted once", alert.Plural(s.again, "event"))
	}
}

// call is the API operation, and what became of it if the name does not say that.
func (r *summaryRow) call() string {
	words := map[string]string{"attempt": " (attempt)", "rehearsal": " (dry run)", "ignored": " (not acted on)"}
	return r.Call + words[r.Kind]
}

func (r *summaryRow) caller() string {
	if r.sessions {
		return r.short + ", several sessions"
	}
	return r.short
}

func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}
