package outage

import "sync"

// An Outage counts the failures in a row of one thing that is tried again and again.
//
// With the zero Outage, a first success changes nothing, and a first failure begins an outage.
// It is safe for concurrent use, and must not be copied after its first use. It has no clock,
// and is lost when the process ends; what must cause an alert after a restart belongs into the
// state file.
type Outage struct {
	mu       sync.Mutex
	failures int // in a row; guarded by mu
}

// Change is what a result means for an outage.
type Change int

const (
	// None: it works as before, or fails as before.
	None Change = iota
	// Began: this failure is the first after a success, or the first at all.
	Began
	// Ended: this success is the first after a failure.
	Ended
)

// Note records the result of a try (nil: it worked) and says what that changes.
func (o *Outage) Note(err error) Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.failures
	if err == nil {
		o.failures = 0
		if before > 0 {
			return Ended
		}
		return None
	}
	o.failures++
	if before == 0 {
		return Began
	}
	return None
}

// Failures returns how many failures there have been since the last success.
func (o *Outage) Failures() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failures
}
