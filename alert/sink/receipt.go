package sink

import (
	"time"

	"flowkeeper/alert"
)

// Receipt says when a sink got an alert. From that follows how long the sink does not get the alerts that resolve
// it: nobody would notice a page that is resolved at once.
type Receipt struct {
	Sink    string
	AddedAt time.Time // Alert.Time
	SentAt  time.Time // when the sink got it
	Answers bool      // Alert.Answers
	RingsOn bool      // Alert.RingsOn
}

// RingsUntil returns until when the incident stays open that the sink has opened for the alert: for
// alert.MinRing if the alert came late to the sink, or rings on at any pager. The zero time: it may be resolved at once,
// or the sink is the log, which is no pager.
func (r Receipt) RingsUntil() time.Time {
	late := r.SentAt.Sub(r.AddedAt) > alert.Late
	if r.Answers || r.Sink == LogName || !late && !r.RingsOn {
		return time.Time{}
	}
	return r.SentAt.Add(alert.MinRing)
}

// Resolved says which receipts Due needs: of the earlier alerts that a resolves, those with SentAt after the returned
// time. ok is false if a resolves none.
func Resolved(a alert.Alert) (after time.Time, ok bool) {
	return a.Time.Add(-alert.MinRing), a.Resolves()
}

// Due returns when a new alert is due at each of its sinks: at once, or when the incidents that it resolves there
// need not stay open any longer.
func Due(a alert.Alert, sinks []string, resolved []Receipt) map[string]time.Time {
	due := map[string]time.Time{}
	for _, name := range sinks {
		due[name] = a.Time.Time
	}
	for _, r := range resolved {
		at, has := due[r.Sink]
		if until := r.RingsUntil(); has && until.After(at) {
			due[r.Sink] = until
		}
	}
	return due
}
