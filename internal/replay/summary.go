package replay

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
)

// Bounds of a summary. Callers can choose the names of their sessions, so that there may be any
// number of rows.
const (
	mostRows   = 1000    // rows that are kept at the end
	mostEvents = 1 << 18 // events that are remembered, so that a repeated event is counted once
)

// Summary counts findings by who did what, and where. What it keeps is bounded: if there are too
// many rows, it drops the least severe, and of these the least frequent; it only counts their
// findings. So calls that need no permission can't hide a deletion. The zero value is ready.
type Summary struct {
	rows    map[summaryKey]*Row
	events  map[uint64]struct{} // hashes of eventKey
	seed    maphash.Seed
	Dropped int // findings of rows that were dropped
	Again   int // findings of events that were counted already
}

type summaryKey struct {
	kind                       detection.Kind
	call, who, account, region string
}

// eventKey is what tells events apart: claim is who called, and when.
type eventKey struct {
	summaryKey
	id, claim string
}

// Row is one line of the table. Its JSON is a public contract, as Finding is.
type Row struct {
	Kind     detection.Kind `json:"kind"` // as of a finding; others: of rows that are not shown
	Level    alert.Level    `json:"level,omitempty"`
	Rule     *alert.Rule    `json:"rule,omitempty"`
	Call     string         `json:"event_name,omitempty"`
	Who      string         `json:"who,omitempty"`     // the role of a session, else the caller
	Session  string         `json:"session,omitempty"` // the session's ARN, if all calls are of one session
	Account  string         `json:"account,omitempty"` // of the records
	Name     string         `json:"account_name,omitempty"`
	Region   string         `json:"region,omitempty"`    // of the records
	Count    int            `json:"count"`               // of events
	FlowLogs int            `json:"flow_logs,omitempty"` // that they name, each as often as it is named
	First    alert.Time     `json:"first,omitzero"`      // time of the first event
	Last     alert.Time     `json:"last,omitzero"`

	short           string // short form of Who, for the table
	severalSessions bool   // the calls are of different sessions
}

// Add counts a finding.
func (s *Summary) Add(v Finding) {
	if s.rows == nil {
		s.rows, s.events, s.seed = map[summaryKey]*Row{}, map[uint64]struct{}{}, maphash.MakeSeed()
	}
	row := newRow(v)
	key := row.key()
	if v.EventID != "" {
		var actor alert.Actor
		if v.Actor != nil {
			actor = *v.Actor
		}
		// The ID alone is not enough: a forged record with it would hide the real one.
		id := maphash.Comparable(s.seed, eventKey{key, v.EventID, incident.ClaimOf(&actor, v.Time.Time)})
		if _, known := s.events[id]; known {
			s.Again++
			return
		}
		if len(s.events) < mostEvents {
			s.events[id] = struct{}{}
		}
	}
	if there := s.rows[key]; there != nil {
		there.merge(row)
		return
	}
	s.rows[key] = row
	if len(s.rows) == 2*mostRows {
		s.drop()
	}
}

// newRow is the row of one finding.
func newRow(v Finding) *Row {
	row := &Row{Kind: v.Kind, Level: v.Level, Rule: v.Rule, Call: v.EventName, Account: v.Account, Name: v.AccountName, Region: v.Region, Count: 1,
		FlowLogs: max(len(v.FlowLogs), len(v.FailedFlowLogs)), First: v.Time, Last: v.Time}
	if v.Kind == detection.Tampered {
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
		row.short += " of " + alert.WithAccount(who.Account, who.AccountName)
	}
	return row
}

func (r *Row) key() summaryKey { return summaryKey{r.Kind, r.Call, r.Who, r.Account, r.Region} }

func (r *Row) merge(o *Row) {
	r.Count += o.Count
	r.FlowLogs += o.FlowLogs
	r.Level = alert.Highest(r.Level, o.Level)
	if r.Session != o.Session {
		r.Session, r.severalSessions = "", true
	}
	if !o.First.IsZero() && (r.First.IsZero() || o.First.Before(r.First.Time)) {
		r.First = o.First
	}
	if o.Last.After(r.Last.Time) {
		r.Last = o.Last
	}
}

// Rows are the rows, the most severe first, of these the most frequent.
func (s *Summary) Rows() []*Row {
	return slices.SortedFunc(maps.Values(s.rows), func(x, y *Row) int {
		switch {
		case x.Level != y.Level && x.Level.AtLeast(y.Level):
			return -1
		case x.Level != y.Level:
			return 1
		}
		return cmp.Or(cmp.Compare(y.Count, x.Count), x.First.Compare(y.First.Time), cmp.Compare(x.Who, y.Who), cmp.Compare(x.Call, y.Call),
			cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region), cmp.Compare(x.Kind, y.Kind))
	})
}

// drop keeps the first mostRows of Rows. There must be at least that many.
func (s *Summary) drop() {
	for _, r := range s.Rows()[mostRows:] {
		delete(s.rows, r.key())
		s.Dropped += r.Count
	}
}

// Words returns the API operation, and what became of it if the name does not say that.
func (r *Row) Words() string {
	words := map[detection.Kind]string{detection.Attempted: " (attempt)", detection.Rehearsed: " (dry run)", Ignored: " (not acted on)"}
	return r.Call + words[r.Kind]
}

// Caller returns the short form of Who.
func (r *Row) Caller() string {
	if r.severalSessions {
		return r.short + ", several sessions"
	}
	return r.short
}
