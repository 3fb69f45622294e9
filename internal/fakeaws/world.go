package fakeaws

import (
	"sync"
	"sync/atomic"
	"time"
)

// World is one AWS with any number of accounts and Regions. It is safe for
// concurrent use: each part has a mutex of its own. EC2 asks IAM and Trail while it
// holds its own; nothing asks EC2.
type World struct {
	*IAM
	*EC2
	*Trail
	*SQS

	mu        sync.Mutex         // guards what follows
	services  map[string]Service // by the name that signatures have
	intercept func(*Request) (lost bool, err error)
}

// New returns an empty world, which takes the time from now.
func New(now func() time.Time) *World {
	var serial atomic.Uint64
	w := &World{IAM: newIAM(now, &serial), SQS: newSQS(now), intercept: func(*Request) (bool, error) { return false, nil }}
	w.Trail = &Trail{now: now, send: w.Send}
	w.EC2 = newEC2(now, &serial, w.IAM, w.Trail)
	w.services = map[string]Service{
		"ec2": ec2Service{Query{"http://ec2.amazonaws.com/doc/2016-11-15/"}, w.EC2},
		"sts": NewSTS(w.IAM),
		"sqs": sqsService{w.SQS},
	}
	return w
}

// Handle adds a service by the name that signatures have for it.
func (w *World) Handle(name string, s Service) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.services[name] = s
}

// Intercept has f see each call of a known caller before it has any effect. An
// error refuses the call; lost lets it have its effect, and cuts the connection
// instead of answering. f is called with no lock of the world held.
func (w *World) Intercept(f func(*Request) (lost bool, err error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept = f
}
