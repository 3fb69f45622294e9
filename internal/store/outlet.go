package store

import "sync"

// outlets are what the store counts of the sinks, in memory only: a restart gives the
// urgent alerts a few turns more, and no commit is waited for until the sink has all
// that is due.
type outlets struct {
	mu sync.Mutex
	of map[string]*outlet // by sink; mu guards it
}

type outlet struct {
	turns int   // of Next, up to ageTurn
	added int64 // deliveries since the start
	sent  int64 // how many of these the sink has; with known alone
	known bool  // the sink had all that was due, once
}

// use calls fn, under the lock, with what is counted of a sink.
func (o *outlets) use(sink string, fn func(*outlet)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[sink] == nil {
		if o.of == nil {
			o.of = map[string]*outlet{}
		}
		o.of[sink] = &outlet{}
	}
	fn(o.of[sink])
}

// turn counts the deliveries of a sink, and reports whether the next goes by age. It
// also returns how many were added so far.
func (o *outlets) turn(sink string) (byAge bool, added int64) {
	o.use(sink, func(x *outlet) {
		x.turns = (x.turns + 1) % ageTurn
		byAge, added = x.turns == 0, x.added
	})
	return byAge, added
}

// owe counts deliveries that were added, once they are on disk: their sinks, each as
// often.
func (o *outlets) owe(sinks []string) {
	for _, sink := range sinks {
		o.use(sink, func(x *outlet) { x.added++ })
	}
}

// hasAll notes that nothing was due for a sink when so many had been added.
func (o *outlets) hasAll(sink string, added int64) {
	o.use(sink, func(x *outlet) { x.sent, x.known = added, true })
}

// owesOne reports whether what a sink has just got is all that it is to get now: to
// wait before that is recorded holds up nothing. Where the count does not fit, as
// after another process has made an alert due again, it is false.
func (o *outlets) owesOne(sink string) (one bool) {
	o.use(sink, func(x *outlet) { one = x.known && x.added-x.sent == 1 })
	return one
}

// sentOne counts an alert that a sink has got, once that is on disk.
func (o *outlets) sentOne(sink string) {
	o.use(sink, func(x *outlet) { x.sent++ })
}
