package store

import (
	"encoding/json"
	"sync"
	"time"

	"flowkeeper/alert/sink"
)

// outlets count, for each sink, the deliveries that were added and those that it has got. So Next need not read the
// delivery that was just committed, and Sent knows whether its commit may wait for others. They are in memory only:
// after a restart no commit is waited for until the sink has all that is due.
type outlets struct {
	mu sync.Mutex
	of map[string]*outlet // by sink; mu guards it
}

// outlet is what is counted of one sink.
type outlet struct {
	added int64 // deliveries since the start
	sent  int64 // how many of these the sink has; with known alone
	known bool  // the sink had all that was due, once
	calm  bool  // no alert says that the sink takes none

	only *added // what was committed last, if nothing else waited for the sink then
}

// added is a delivery that a transaction adds.
type added struct {
	sink.Delivery        // without the alert
	num           int64  // of the alert
	body          string // the alert
	alone         bool   // nothing else waits for the sink
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

// addedTo is how many deliveries a sink has been owed so far.
func (o *outlets) addedTo(sink string) (added int64) {
	o.use(sink, func(x *outlet) { added = x.added })
	return added
}

// owe counts deliveries that were added, once they are on disk.
func (o *outlets) owe(deliveries []added) {
	for _, d := range deliveries {
		o.use(d.Sink, func(x *outlet) {
			x.added++
			x.only = nil
			if d.alone {
				x.only = &d
			}
		})
	}
}

// takeOnly is the delivery of an alert, which is the only one that waits for a sink, as it was committed. It
// returns it once, and nothing where it is not due, or was not committed last.
func (o *outlets) takeOnly(sink string, num int64, now time.Time) (d sink.Delivery, ok bool) {
	var a *added
	o.use(sink, func(x *outlet) { a, x.only = x.only, nil })
	if a == nil || a.num != num || a.NextAt.After(now) {
		return d, false
	}
	d = a.Delivery
	return d, json.Unmarshal([]byte(a.body), &d.Alert) == nil
}

// forgetOnly forgets what was committed last: its delivery has changed since. Only the transaction that
// writes calls it.
func (o *outlets) forgetOnly(sink string) { o.use(sink, func(x *outlet) { x.only = nil }) }

// isCalm reports whether it is known that no alert says that a sink takes none.
func (o *outlets) isCalm(sink string) (calm bool) {
	o.use(sink, func(x *outlet) { calm = x.calm })
	return calm
}

// setCalm notes whether that is known. Only the transaction that writes calls it.
func (o *outlets) setCalm(sink string, calm bool) {
	o.use(sink, func(x *outlet) { x.calm = calm })
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
