package remediate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Burst is what one principal repeats: calls that anybody can make without end,
// and that take nothing away that Flowkeeper knows (attempts, tampering, deletions
// of flow logs that it never saw). The first one is alerted at once. What follows
// within burstWindow is held, and becomes one alert when the window is over. A call
// that is graver than all that was alerted goes at once: neither a forged record
// nor a harmless call silences it (I2). While calls go on, one window follows the
// other; a window without any ends the burst.
//
// Rows of the same type bound how many alerts go at once: one for each principal,
// where its bursts are by target, and one for each account. These hold what is
// beyond the bound.
type Burst struct {
	Key   string          // names it
	Class string          // attempt, tamper or unknown
	Scope inventory.Scope // whose Step ends its windows; zero: any
	Began time.Time       // of its first window
	Since time.Time       // of this window
	DueAt time.Time       // the end of this window
	Mark  int             // severity of the gravest call that was alerted
	// AtOnce counts the alerts that went at once in this window, by severity, where
	// the row is a bound.
	AtOnce    map[int]int `json:",omitempty"`
	Summaries int         // alerts about what was held, so far
	Total     int         // calls in these
	Level     alert.Level // of the gravest of these
	Held      Held
}

// Held is what a burst has not been alerted of yet.
type Held struct {
	Calls, FlowLogs int
	First, Last     time.Time    // when they were received
	Severity        int          // of the gravest
	Gravest         *alert.Alert // without its lists
	Several         bool         // they are by more than one principal
	Examples        []heldCall   `json:",omitempty"` // the gravest, of these the first, and different ones before those that do the same
	Seen            []string     `json:",omitempty"` // IDs of the last ones: a record that comes twice counts once
}

type heldCall struct {
	Severity int
	alert.Call
}

// Classes of bursts.
const (
	classAttempt = "attempt" // deletions that AWS refused, and dry runs
	classTamper  = "tamper"
	classUnknown = "unknown" // deletions of flow logs that Flowkeeper never saw
)

const (
	burstWindow  = 5 * time.Minute
	mostExamples = 20
	mostSeen     = 100
	mostBursts   = 200 // of a class: forged principals are endless (I12). Beyond it, those of an account share one
	// How many alerts of one severity go at once within a window: by one principal on
	// several targets, and in one account. Half as many in each window that follows
	// one in which that did not suffice.
	byPrincipal = 10
	byAccount   = 20
)

// repeatable says by what a call counts as a repetition of another.
type repeatable struct {
	class    string
	account  string
	who      string
	what     string // the target, where each has a burst of its own
	scope    inventory.Scope
	severity int
	flowLogs int // that the call names
	call     alert.Call
}

// repeatableBy is a finding as a repeatable call.
func repeatableBy(class string, f detection.Finding, a alert.Alert, flowLogs int, known bool) repeatable {
	actor := f.Actor()
	who := incident.PrincipalOrName(&actor)
	c := repeatable{class: class, account: f.Record.Account, who: who + " " + actor.SourceIdentity, flowLogs: flowLogs,
		severity: severity(a.Level, known), scope: inventory.Scope{Account: f.Record.Account, Region: f.Record.Region},
		call: alert.Call{EventID: f.Record.EventID, EventName: f.Record.EventName, Region: f.Record.Region, ErrorCode: f.Record.ErrorCode, FlowLogs: flowLogs, Principal: who},
	}
	if !f.Record.EventTime.IsZero() {
		c.call.Time = &alert.Time{Time: f.Record.EventTime}
	}
	return c
}

// severity orders what is alerted: by level, and what names flow logs that
// Flowkeeper knows before what does not.
func severity(l alert.Level, known bool) (n int) {
	for _, x := range []alert.Level{alert.Low, alert.Medium, alert.High, alert.Critical} {
		if l.AtLeast(x) {
			n += 2
		}
	}
	if known {
		n++
	}
	return n
}

// key of the burst, and of the rows that bound it, the narrowest first.
func (c repeatable) keys() (own string, bounds []rowBound) {
	key := func(parts ...string) string { return c.class + " " + alert.ID(append([]string{c.class}, parts...)...) }
	own = key(c.account, c.who, c.what)
	if c.what != "" {
		bounds = append(bounds, rowBound{key(c.account, c.who, ""), byPrincipal})
	}
	return own, append(bounds, rowBound{key(c.account), byAccount}, rowBound{key(), byAccount})
}

type rowBound struct {
	key  string
	most int
}

// alertOrHold puts an alert into the outbox, or holds it back to be summed up. It
// reports whether it did the former. A call that it knows already changes nothing.
func (r *Remediator) alertOrHold(tx Tx, a alert.Alert, c repeatable, now time.Time) (atOnce bool, err error) {
	a.Minor = true
	if done, err := tx.HasAlert(a.ID); err != nil || done {
		return done, err
	}
	key, bounds := c.keys()
	own, found, err := r.burst(tx, key, now)
	if err != nil {
		return false, err
	}
	alone := c
	alone.call.Principal = "" // the burst's
	if found && c.severity <= own.Mark {
		return false, tx.PutBurst(own.hold(a, alone, now))
	}
	n, err := tx.Bursts(c.class)
	if err != nil {
		return false, err
	}
	crowded := !found && n >= mostBursts
	full, rows, err := r.bounded(tx, c, bounds, crowded, now)
	if err != nil {
		return false, err
	}
	switch {
	case full != nil && found:
		return false, tx.PutBurst(own.hold(a, alone, now))
	case full != nil:
		return false, tx.PutBurst(full.hold(a, c, now))
	}
	for _, b := range rows {
		b.AtOnce[c.severity]++
		if err := tx.PutBurst(b); err != nil {
			return false, err
		}
	}
	if crowded { // the rows that bound it count it, and hold what follows
		return true, add(tx, a)
	}
	if !found {
		own = c.burst(key, now)
	}
	own.Mark = c.severity
	if err := tx.PutBurst(own); err != nil {
		return false, err
	}
	return true, add(tx, a)
}

// bounded finds the row that an alert is too many for, if there is one, and
// otherwise those that it counts in. One of each severity always goes at once: what
// is graver than a flood is not held by it. crowded: there are as many bursts as may
// be, so that only rows which are there bound it, or else the one of all accounts.
func (r *Remediator) bounded(tx Tx, c repeatable, bounds []rowBound, crowded bool, now time.Time) (full *Burst, rows []Burst, err error) {
	for k, limit := range bounds {
		last := k == len(bounds)-1 // of all accounts together: for when it is crowded
		if last && (!crowded || len(rows) > 0) {
			break
		}
		b, there, err := r.burst(tx, limit.key, now)
		if err != nil {
			return nil, nil, err
		}
		if crowded && !there && !last {
			continue
		}
		if !there {
			b = c.burst(limit.key, now)
		}
		if b.AtOnce == nil {
			b.AtOnce = map[int]int{}
		}
		most := max(1, limit.most>>min(b.Summaries, 4))
		if crowded {
			most = 1
		}
		if b.AtOnce[c.severity] >= most {
			return &b, nil, nil
		}
		rows = append(rows, b)
	}
	return nil, rows, nil
}

// burst is the row of a key, its window ended if that is over.
func (r *Remediator) burst(tx Tx, key string, now time.Time) (Burst, bool, error) {
	b, found, err := tx.Burst(key)
	if err != nil || !found || !b.over(now) {
		return b, found, err
	}
	return r.endWindow(tx, b, now)
}

// over reports whether the window has ended, or seems to lie ahead: the clock has
// gone back.
func (b Burst) over(now time.Time) bool { return !now.Before(b.DueAt) || b.Since.After(now) }

// burst is a new row. Tampering has no scope of ours: it may be with another
// account's bucket.
func (c repeatable) burst(key string, now time.Time) Burst {
	b := Burst{Key: key, Class: c.class, Began: now, Since: now, DueAt: now.Add(burstWindow)}
	if c.class != classTamper {
		b.Scope = c.scope
	}
	return b
}

// hold notes a call.
func (b Burst) hold(a alert.Alert, c repeatable, now time.Time) Burst {
	id := a.ID[:min(len(a.ID), 16)]
	if slices.Contains(b.Held.Seen, id) {
		return b
	}
	h := &b.Held
	h.Seen = append(h.Seen[max(0, len(h.Seen)+1-mostSeen):], id)
	if h.Calls == 0 {
		h.First = now
	}
	h.Calls, h.FlowLogs, h.Last = h.Calls+1, h.FlowLogs+c.flowLogs, now
	h.Several = h.Several || h.Gravest != nil && incident.PrincipalOrName(h.Gravest.Actor) != incident.PrincipalOrName(a.Actor)
	if h.Gravest == nil || c.severity > h.Severity {
		a.FlowLogs, a.FailedFlowLogs, a.Omitted, a.FailedOmitted, a.Recent = nil, nil, 0, 0, nil
		a.CampaignID = "" // what ends the repeats does not end that
		a.Write()
		a.Title, a.Text = "", ""
		h.Gravest, h.Severity = &a, c.severity
	}
	at, _ := slices.BinarySearchFunc(h.Examples, c.severity, func(x heldCall, s int) int {
		if x.Severity >= s {
			return -1
		}
		return 1
	})
	h.Examples = slices.Insert(h.Examples, at, heldCall{c.severity, c.call.Short()})
	if len(h.Examples) > mostExamples {
		n := leastTelling(h.Examples)
		h.Examples = slices.Delete(h.Examples, n, n+1)
	}
	return b
}

// leastTelling is the last of the calls that does the same as another, or else the
// last: what is done twenty times hides nothing that is done once.
func leastTelling(calls []heldCall) int {
	for n := len(calls) - 1; n > 0; n-- {
		if slices.ContainsFunc(calls[:n], calls[n].same) {
			return n
		}
	}
	return len(calls) - 1
}

// same reports whether two calls differ in when they were made only.
func (c heldCall) same(other heldCall) bool {
	a, b := c.Call, other.Call
	return a.Principal == b.Principal && a.EventName == b.EventName && a.Region == b.Region && a.ErrorCode == b.ErrorCode && a.Target == b.Target && a.FlowLogID == b.FlowLogID
}

// endWindow alerts of what the window held, and begins the next one; one that held
// nothing ends the burst.
func (r *Remediator) endWindow(tx Tx, b Burst, now time.Time) (Burst, bool, error) {
	if b.Held.Calls == 0 {
		if b.Class == classUnknown && b.Summaries > 0 {
			if err := add(tx, b.settled(now)); err != nil {
				return b, false, err
			}
		}
		return b, false, tx.DropBurst(b.Key)
	}
	if err := add(tx, b.summary(now)); err != nil {
		return b, false, err
	}
	b.Summaries, b.Total, b.Level = b.Summaries+1, b.Total+b.Held.Calls, alert.Highest(b.Level, b.Held.Gravest.Level)
	b.Mark = max(b.Mark, b.Held.Severity)
	b.Since, b.DueAt, b.AtOnce, b.Held = now, now.Add(burstWindow), nil, Held{}
	return b, true, tx.PutBurst(b)
}

// summary is the alert about what a window held, with the words of the gravest.
func (b Burst) summary(now time.Time) alert.Alert {
	a := *b.Held.Gravest
	a.ID = alert.ID("repeats", b.Key, strconv.FormatInt(b.Since.UnixMilli(), 10))
	a.DedupKey = b.dedupKey()
	a.Time, a.Minor = alert.Time{Time: now}, true
	a.Repeats = &alert.Repeats{Calls: b.Held.Calls, FlowLogs: b.Held.FlowLogs, From: alert.Time{Time: b.Held.First}, To: alert.Time{Time: b.Held.Last}, Several: b.Held.Several}
	if b.Held.Several {
		a.Actor = nil // the examples say who
	}
	for _, x := range b.Held.Examples {
		a.Repeats.Examples = append(a.Repeats.Examples, x.Call)
	}
	return a
}

// settled closes what the summaries of deletions opened: those of these flow logs
// that Flowkeeper has come to know have alerts of their own.
func (b Burst) settled(now time.Time) alert.Alert {
	return alert.Alert{ID: alert.ID("repeats", b.Key, "settled", strconv.FormatInt(b.Since.UnixMilli(), 10)), DedupKey: b.dedupKey(),
		Time: alert.Time{Time: now}, Kind: alert.Closed, Level: alert.Informational, RouteLevel: b.Level, Account: b.Scope.Account, Region: b.Scope.Region, Source: ByEvent,
		Minor: true, Repeats: &alert.Repeats{Calls: b.Total, From: alert.Time{Time: b.Began}, To: alert.Time{Time: b.Since}}}
}

func (b Burst) dedupKey() string {
	return alert.DedupKey("repeats "+b.Key, strconv.FormatInt(b.Began.UnixMilli(), 10))
}

// alertDueBursts ends the windows that are over.
func (r *Remediator) alertDueBursts(ctx context.Context, due []Burst) error {
	for _, b := range due {
		err := r.Store.Update(ctx, func(tx Tx) error {
			_, _, err := r.burst(tx, b.Key, r.Now())
			return err
		})
		if err != nil {
			return fmt.Errorf("alert of what was repeated: %w", err)
		}
		r.Wake()
	}
	return nil
}
