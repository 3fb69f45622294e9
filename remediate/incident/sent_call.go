package incident

import "time"

// SentCall is a CreateFlowLogs call that was, or may have been, sent for an incident and of
// which no answer is stored.
type SentCall struct {
	Token  string
	At     time.Time // when it was last sent, or was about to be
	Before time.Time // when it may have been sent before that; zero: never
	Final  bool      // it is not repeated: AWS has answered it, or has refused a repeat
}

// SendWithin is how long after a call was noted it may still be sent. If it were sent later, its flow
// logs could show after showsBy.
const SendWithin = 5 * time.Second

// doneWithin is how long after a call was noted AWS may still execute it: SendWithin, and the 25
// seconds for which the daemon waits for the answer.
const doneWithin = SendWithin + 25*time.Second

// showsBy is the time from which on every observation shows what the call made.
func (s SentCall) showsBy(p Policy) time.Time { return s.At.Add(doneWithin + p.ConsistencyWindow) }

// observeAt is when to observe again whether the call made something: 1, 2, 4 and 8 seconds after
// the call, then every 15 seconds.
func (s SentCall) observeAt(p Policy, now time.Time) time.Time {
	pause := min(max(now.Sub(s.At), time.Second), 15*time.Second)
	return Earlier(now.Add(pause), Later(s.showsBy(p), now))
}
