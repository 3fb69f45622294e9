package store

// outlet is what the store counts of one sink, in memory only: a restart gives the
// urgent alerts a few turns more, and no commit is waited for until the sink has all
// that is due.
type outlet struct {
	turns int   // of Next, up to ageTurn
	added int64 // deliveries since the start
	sent  int64 // how many of these the sink has; with known alone
	known bool  // the sink had all that was due, once
}

// outlet returns that of a sink. The caller holds outletsMu.
func (s *Store) outlet(sink string) *outlet {
	o := s.outlets[sink]
	if o == nil {
		o = &outlet{}
		s.outlets[sink] = o
	}
	return o
}

// turn counts the deliveries of a sink, and reports whether the next goes by age. It
// also returns how many were added so far.
func (s *Store) turn(sink string) (byAge bool, added int64) {
	s.outletsMu.Lock()
	defer s.outletsMu.Unlock()
	o := s.outlet(sink)
	o.turns = (o.turns + 1) % ageTurn
	return o.turns == 0, o.added
}

// owe counts deliveries that were added, once they are on disk: their sinks, each as
// often.
func (s *Store) owe(sinks []string) {
	s.outletsMu.Lock()
	defer s.outletsMu.Unlock()
	for _, sink := range sinks {
		s.outlet(sink).added++
	}
}

// hasAll notes that nothing was due for a sink when so many had been added.
func (s *Store) hasAll(sink string, added int64) {
	s.outletsMu.Lock()
	defer s.outletsMu.Unlock()
	o := s.outlet(sink)
	o.sent, o.known = added, true
}

// owesOne reports whether what a sink has just got is all that it is to get now: to
// wait before that is recorded holds up nothing. Where the count does not fit, as
// after another process has made an alert due again, it is false.
func (s *Store) owesOne(sink string) bool {
	s.outletsMu.Lock()
	defer s.outletsMu.Unlock()
	o := s.outlet(sink)
	return o.known && o.added-o.sent == 1
}

// sentOne counts an alert that a sink has got, once that is on disk.
func (s *Store) sentOne(sink string) {
	s.outletsMu.Lock()
	defer s.outletsMu.Unlock()
	s.outlet(sink).sent++
}
