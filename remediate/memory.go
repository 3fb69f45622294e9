package remediate

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flowkeeper/remediate/incident"
)

const (
	observationFresh = 2 * time.Second // how long an observation made during a commit counts
	maxObservations  = 16              // kept of a scope
	tornDownFor      = time.Hour       // AWS removes the flow logs of a VPC some time after the VPC is deleted
	mostTornDown     = 1000            // resources remembered of a scope
)

// scopeMemory is what is kept in memory of one scope. After a crash, all of it may be forgotten.
type scopeMemory struct {
	pace      *pace
	startedAt time.Time // when it was made: all before that is forgotten

	smallSteps int // counts the steps with few creates, for forRetries; used by the restorer only

	background   atomic.Int32 // tasks of inBackground that have not ended
	slow         atomic.Int32 // those of learnCreatedInTime that take long
	reconsidered atomic.Bool  // inventory.destinations has been applied to the snapshot

	mu           sync.Mutex
	wake         func()                 // guarded by mu: begins a pass of the restorer; nil: none is at work
	observations []incident.Observation // guarded by mu
	torn         map[string]time.Time   // guarded by mu: resources that a record says are deleted, with the time when it was noted
}

func newScopeMemory(now time.Time) *scopeMemory {
	return &scopeMemory{pace: newPace(now), startedAt: now}
}

// setWake sets what wakeUp calls. It must not block.
func (m *scopeMemory) setWake(wake func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wake = wake
}

// wakeUp has the restorer ask what is due, now or after the pass under way.
func (m *scopeMemory) wakeUp() {
	m.mu.Lock()
	wake := m.wake
	m.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// keepObservation remembers an observation for the restorer.
func (m *scopeMemory) keepObservation(o incident.Observation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.observations) < maxObservations {
		m.observations = append(m.observations, o)
	}
}

// freshObservation is a kept observation that covers a resource and did not begin before
// the incident opened: an earlier one would show the flow log still alive.
func (m *scopeMemory) freshObservation(resource string, opened, now time.Time) (incident.Observation, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observations = slices.DeleteFunc(m.observations, func(o incident.Observation) bool {
		age := now.Sub(o.At)
		return age < 0 || age > observationFresh
	})
	n := slices.IndexFunc(m.observations, func(o incident.Observation) bool { return o.Resources[resource] && !o.At.Before(opened) })
	if n < 0 {
		return incident.Observation{}, false
	}
	return m.observations[n], true
}

// noteTornDown remembers, after the commit of the record, that a record says a resource was deleted. AWS removes its
// flow logs without a record. So if a refresh finds one gone, its incident does not wait for a record: the create
// follows at once, and AWS's answer shows whether the resource is gone.
func (m *scopeMemory) noteTornDown(resource string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.torn == nil {
		m.torn = map[string]time.Time{}
	}
	if len(m.torn) >= mostTornDown {
		for id, at := range m.torn {
			if now.Sub(at) > tornDownFor {
				delete(m.torn, id)
			}
		}
	}
	if len(m.torn) < mostTornDown {
		m.torn[resource] = now
	}
}

// wasTornDown reports whether a record said within the last hour that the resource was
// deleted. After a restart it is false.
func (m *scopeMemory) wasTornDown(resource string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.torn[resource]
	return ok && now.Sub(at) <= tornDownFor
}
