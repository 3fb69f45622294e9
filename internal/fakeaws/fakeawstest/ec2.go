package fakeawstest

import (
	"time"

	"flowkeeper/internal/fakeaws"
)

// SetRegions sets the Regions that DescribeRegions names.
func (w *World) SetRegions(names ...string) {
	w.Configure(func(s *fakeaws.EC2Settings) { s.Regions = names })
}

// SetPageSize makes a page of a Describe no longer than this; 0: as AWS allows.
func (w *World) SetPageSize(n int) {
	w.Configure(func(s *fakeaws.EC2Settings) { s.PageSize = n })
}

// SetConsistencyDelay makes every Describe show the flow logs as they were so
// long ago, an hour at most: AWS is eventually consistent.
func (w *World) SetConsistencyDelay(d time.Duration) {
	w.Configure(func(s *fakeaws.EC2Settings) { s.Delay = d })
}

// AllowDuplicates switches FlowLogAlreadyExists off.
func (w *World) AllowDuplicates(on bool) {
	w.Configure(func(s *fakeaws.EC2Settings) {
		s.Guard = fakeaws.SameDestination
		if on {
			s.Guard = fakeaws.NoGuard
		}
	})
}

// SetRates limits actions, say to fakeaws.AWSRates; nil: no action has a limit.
func (w *World) SetRates(rates map[string]fakeaws.Rate) {
	w.Configure(func(s *fakeaws.EC2Settings) { s.Rates = rates })
}

// FailDelivery makes AWS say that a flow log's delivery fails; with an empty message,
// that it works.
func (w *World) FailDelivery(account, region, id, message string) {
	w.Change(account, region, id, func(f *fakeaws.FlowLog) {
		f.DeliverStatus, f.DeliverError = "FAILED", message
		if message == "" {
			f.DeliverStatus = "SUCCESS"
		}
	})
}
