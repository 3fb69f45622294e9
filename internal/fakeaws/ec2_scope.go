package fakeaws

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Scope is the true state of EC2 in one account and one Region; a Describe may show an older one.
// The lock of EC2 guards it: use it only in a function that In calls.
type Scope struct {
	Resources map[string]bool              // that flow logs can watch; an ID's prefix says what the resource is
	Tags      map[string]map[string]string // of resources, by ID
	Tokens    map[string]Token             // the ClientTokens that were used

	ec2        *EC2
	byID       map[string]*flowLog
	byResource map[string][]*flowLog
	order      []*flowLog // by number
	deleted    []*flowLog // that a Describe may still show
	lastNum    uint64
}

// In calls f with the scope of an account and a Region. Changes by f are no call, and make no
// record. EC2 is locked meanwhile: f must call neither its methods nor its clients, and must keep
// nothing of the scope.
func (e *EC2) In(account, region string, f func(*Scope)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.scope(account, region))
}

// scope returns a scope, and makes it if it is new. The caller holds e.mu.
func (e *EC2) scope(account, region string) *Scope {
	key := account + "/" + region
	s := e.scopes[key]
	if s == nil {
		s = &Scope{Resources: map[string]bool{}, Tags: map[string]map[string]string{}, Tokens: map[string]Token{},
			ec2: e, byID: map[string]*flowLog{}, byResource: map[string][]*flowLog{}}
		e.scopes[key] = s
	}
	return s
}

// flowLog is a FlowLog with what only the fake knows.
type flowLog struct {
	FlowLog
	num     uint64        // place in a listing
	gone    time.Time     // when it was deleted; zero: it is there
	earlier []earlierTags // oldest first; a Describe may still show them
}

// FlowLogs yields the flow logs that exist, oldest first. None may be added or removed meanwhile. The
// caller may change a flow log, except its ID, its resource and its time.
func (s *Scope) FlowLogs() iter.Seq[*FlowLog] {
	return func(yield func(*FlowLog) bool) {
		for _, f := range s.order {
			if !yield(&f.FlowLog) {
				return
			}
		}
	}
}

// Add adds a flow log without checks, and returns its ID: a new one if f has none.
func (s *Scope) Add(f FlowLog) (id string) {
	if f.ID == "" {
		f.ID = fmt.Sprintf("fl-%017x", s.ec2.serial.Add(1))
	}
	s.lastNum++
	x := &flowLog{FlowLog: f, num: s.lastNum}
	s.byID[f.ID] = x
	s.byResource[f.ResourceID] = append(s.byResource[f.ResourceID], x)
	s.order = append(s.order, x)
	return f.ID
}

// Remove deletes a flow log. It reports whether it was there.
func (s *Scope) Remove(id string) bool {
	f := s.byID[id]
	if f == nil {
		return false
	}
	delete(s.byID, id)
	s.byResource[f.ResourceID] = slices.DeleteFunc(s.byResource[f.ResourceID], func(other *flowLog) bool { return other == f })
	n := place(s.order, f.num)
	s.order = slices.Delete(s.order, n, n+1)
	f.gone = s.ec2.now()
	for len(s.deleted) > 0 && f.gone.Sub(s.deleted[0].gone) > longestDelay {
		s.deleted = s.deleted[1:]
	}
	s.deleted = append(s.deleted, f)
	return true
}

func byNumber(a, b *flowLog) int { return cmp.Compare(a.num, b.num) }

// place of the first flow log whose number is not below num.
func place(sorted []*flowLog, num uint64) int {
	n, _ := slices.BinarySearchFunc(sorted, num, func(f *flowLog, num uint64) int { return cmp.Compare(f.num, num) })
	return n
}

// longestDelay is how stale a Describe can be.
const longestDelay = time.Hour

// visible returns the flow logs that an eventually consistent Describe shows, by number: those
// of settings.Delay ago, with their tags of that time.
func (s *Scope) visible() []*flowLog {
	at := s.ec2.now().Add(-s.ec2.settings.Delay)
	out := slices.DeleteFunc(slices.Concat(s.order, s.deleted), func(f *flowLog) bool {
		return f.CreatedAt.After(at) || !f.gone.IsZero() && !f.gone.After(at)
	})
	for n, f := range out {
		out[n] = f.at(at)
	}
	slices.SortFunc(out, byNumber)
	return out
}
