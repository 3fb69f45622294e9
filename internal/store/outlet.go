package store

import (
	"encoding/json"
	"sync"
	"time"

	"flowkeeper/alert/sink"
)

// outlets remember in memory what the outbox has for each sink: how many deliveries were added, how many of these the
// sink has taken, and the last one. So Next need not read a delivery that was just committed, and Sent knows whether its
// commit may wait to share another one. After a restart no commit waits until the sink has taken all that is due.
type outlets struct {
	mu sync.Mutex
	of map[string]*outlet // by sink; mu guards it
}

// outlet is what is remembered of one sink.
type outlet struct {
	added int64 // deliveries since the start
	sent  int64 // how many of these the sink has taken; only valid if known
	known bool  // since the start, the sink had taken all that was due at least once
	calm  bool  // no alert says, unanswered, that the sink takes no alerts

	only *added // the delivery that was committed last, if nothing else waited for the sink then
}

// added is a delivery that a transaction adds.
type added struct {
	sink.Delivery        // without the alert
	num           int64  // the row of the alert
	body          string // the alert as JSON
	alone         bool   // nothing else waits for the sink
}

// use calls fn, under the lock, with the outlet of a sink.
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

// addedTo is how many deliveries to a sink were added since the start.
func (o *outlets) addedTo(sink string) (added int64) {
	o.use(sink, func(x *outlet) { added = x.added })
	return added
}

// add counts deliveries that were added. It is called once they are on disk.
func (o *outlets) add(deliveries []added) {
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

// takeOnly returns the delivery of the alert num, the only one that waits for a sink, without reading it from the file.
// It does so only once. ok is false if the delivery is not due, or was not the last one to be committed.
func (o *outlets) takeOnly(sink string, num int64, now time.Time) (d sink.Delivery, ok bool) {
	var a *added
	o.use(sink, func(x *outlet) { a, x.only = x.only, nil })
	if a == nil || a.num != num || a.NextAt.After(now) {
		return d, false
	}
	d = a.Delivery
	return d, json.Unmarshal([]byte(a.body), &d.Alert) == nil
}

// forgetOnly forgets the delivery that was committed last, because its row changes. Only the transaction that
// writes calls it.
func (o *outlets) forgetOnly(sink string) { o.use(sink, func(x *outlet) { x.only = nil }) }

// isCalm reports whether no alert says, unanswered, that a sink takes no alerts. It is false until that is known.
func (o *outlets) isCalm(sink string) (calm bool) {
	o.use(sink, func(x *outlet) { calm = x.calm })
	return calm
}

// setCalm sets what isCalm returns. Only the transaction that writes calls it.
func (o *outlets) setCalm(sink string, calm bool) {
	o.use(sink, func(x *outlet) { x.calm = calm })
}

// hasAll notes that nothing was due for a sink when added deliveries had been added.
func (o *outlets) hasAll(sink string, added int64) {
	o.use(sink, func(x *outlet) { x.sent, x.known = added, true })
}

// owesOne reports whether the alert that a sink has just taken is the only one for it now:
// then the commit that records this may wait, and holds up no other alert. It is false
// if the count is wrong, for example because another process has made an alert due again.
func (o *outlets) owesOne(sink string) (one bool) {
	o.use(sink, func(x *outlet) { one = x.known && x.added-x.sent == 1 })
	return one
}

// sentOne counts an alert that a sink has taken, once that is on disk.
func (o *outlets) sentOne(sink string) {
	o.use(sink, func(x *outlet) { x.sent++ })
}
