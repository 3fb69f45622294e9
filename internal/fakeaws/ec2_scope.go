package fakeaws

import (
	"cmp"
	"slices"
	"time"
)

// ec2Scope is EC2 in one account and one Region. It is guarded by EC2.mu.
type ec2Scope struct {
	*EC2
	resources  map[string]bool
	tags       map[string]map[string]string // of resources, by ID
	byID       map[string]*flowLog
	byResource map[string][]*flowLog
	order      []*flowLog // by number
	deleted    []*flowLog // perhaps still shown
	tokens     map[string]token
	buckets    map[string]bucket // by action
	lastNum    uint64
}

// flowLog is a FlowLog with what only the fake knows.
type flowLog struct {
	FlowLog
	num     uint64        // place in a listing
	gone    time.Time     // when it was deleted; zero: it is there
	earlier []earlierTags // oldest first; perhaps still shown
}

func (s *ec2Scope) add(f *flowLog) {
	s.lastNum++
	f.num = s.lastNum
	s.byID[f.ID] = f
	s.byResource[f.ResourceID] = append(s.byResource[f.ResourceID], f)
	s.order = append(s.order, f)
}

func (s *ec2Scope) remove(f *flowLog) {
	delete(s.byID, f.ID)
	s.byResource[f.ResourceID] = slices.DeleteFunc(s.byResource[f.ResourceID], func(other *flowLog) bool { return other == f })
	n := place(s.order, f.num)
	s.order = slices.Delete(s.order, n, n+1)
	f.gone = s.now()
	for len(s.deleted) > 0 && f.gone.Sub(s.deleted[0].gone) > longestDelay {
		s.deleted = s.deleted[1:]
	}
	s.deleted = append(s.deleted, f)
}

func byNumber(a, b *flowLog) int { return cmp.Compare(a.num, b.num) }

// place of the first flow log whose number is not below num.
func place(sorted []*flowLog, num uint64) int {
	n, _ := slices.BinarySearchFunc(sorted, num, func(f *flowLog, num uint64) int { return cmp.Compare(f.num, num) })
	return n
}

// longestDelay is how stale a Describe can be.
const longestDelay = time.Hour

// visible are the flow logs that an eventually consistent Describe shows, by number:
// those of a moment ago, with the tags of that moment.
func (s *ec2Scope) visible() []*flowLog {
	at := s.now().Add(-s.settings.Delay)
	out := slices.DeleteFunc(slices.Concat(s.order, s.deleted), func(f *flowLog) bool {
		return f.CreatedAt.After(at) || !f.gone.IsZero() && !f.gone.After(at)
	})
	for n, f := range out {
		out[n] = f.at(at)
	}
	slices.SortFunc(out, byNumber)
	return out
}
