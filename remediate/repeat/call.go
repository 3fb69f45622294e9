package repeat

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Call is an API call that anybody can repeat without end.
type Call struct {
	Class    Class
	Who      string          // the caller: calls by other callers do not repeat this one
	What     string          // what it changes: calls that change something else do not repeat it; empty: they do
	Scope    inventory.Scope // of its record
	Severity int             // larger: graver
	Example  alert.Call      // in the alert that sums up
}

// CallOf is the call that a finding is about, with the level of its alert. known: it names a flow log
// that the snapshot has.
func CallOf(class Class, f detection.Finding, a alert.Alert, flowLogs int, known bool) Call {
	actor := f.Actor()
	who := incident.PrincipalOrName(&actor)
	return Call{Class: class, Who: who + " " + actor.SourceIdentity,
		Severity: severity(a.Level, known), Scope: inventory.Scope{Account: f.Record.Account, Region: f.Record.Region},
		Example: alert.Call{EventID: f.Record.EventID, EventName: f.Record.EventName, Time: alert.At(f.Record.EventTime), Region: f.Record.Region, ErrorCode: f.Record.ErrorCode, FlowLogs: flowLogs, Principal: who},
	}
}

// severity orders calls by the level of their alert. Of one level, a call that names a
// flow log that Flowkeeper knows is graver.
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

// keys are the key of the call's own burst, and of those that bound it, the narrowest first.
func (c Call) keys() (own string, bounds []bound) {
	key := func(parts ...string) string {
		return string(c.Class) + " " + alert.ID(append([]string{string(c.Class)}, parts...)...)
	}
	account := c.Scope.Account
	own = key(account, c.Who, c.What)
	if c.What != "" {
		bounds = append(bounds, bound{key(account, c.Who, ""), byPrincipal})
	}
	return own, append(bounds, bound{key(account), byAccount}, bound{key(), byAccount})
}

// bound says how many alerts of one severity may be sent at once in a burst's window.
type bound struct {
	key  string
	most int
}

// burst is a new burst that begins with the call. A burst of tampering has no scope: the changed resource
// may be another account's bucket.
func (c Call) burst(key string, now time.Time) Burst {
	b := Burst{Key: key, Class: c.Class, Began: now, Since: now, DueAt: now.Add(Window)}
	if c.Class != Tampering {
		b.Scope = c.Scope
	}
	return b
}
