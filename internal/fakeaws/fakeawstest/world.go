package fakeawstest

import (
	"time"

	"flowkeeper/internal/fakeaws"
)

// World is a fakeaws.World with more services, and with faults. It
// is safe for concurrent use.
type World struct {
	*fakeaws.World
	now    func() time.Time
	ec2    *ec2Hooks
	sns    *snsService
	s3     *s3Service
	sts    *stsService
	org    *organization
	faults faults
}

// Options of New.
type Options struct {
	Now     func() time.Time // nil: time.Now
	Latency time.Duration    // added to each answer
}

// New returns an empty world.
func New(o Options) *World {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{World: fakeaws.New(o.Now), now: o.Now}
	w.faults = faults{latency: o.Latency, spared: map[string]bool{}, asked: map[Asked]bool{}, refusedKeys: map[string]*refusedKey{}}
	w.sns = &snsService{Query: fakeaws.Query{Namespace: "http://sns.amazonaws.com/doc/2010-03-31/"}, now: o.Now, send: w.Send, topics: map[string]*topic{}}
	w.s3 = &s3Service{now: o.Now, buckets: map[string]*bucket{}}
	w.sts = &stsService{STS: fakeaws.NewSTS(w.IAM), now: o.Now, roles: map[string]string{}, sessions: map[string]fakeaws.Caller{}, lifetime: time.Hour}
	w.org = &organization{users: w.IAM}
	w.ec2 = &ec2Hooks{now: o.Now, refused: map[string]*fakeaws.Error{}, buckets: map[rateKey]tokenBucket{}, linked: map[linkedRole]bool{}, settings: EC2Settings{Regions: []string{"eu-west-1", "us-east-1"}}}
	w.SetHooks(w.ec2)
	w.Handle("sns", w.sns)
	w.Handle("s3", w.s3)
	w.Handle("sts", w.sts)
	w.Handle("organizations", w.org)
	w.Intercept(w.intercept)
	return w
}

// TrailTo sends the records of EC2's changing calls to a queue in the
// EventBridge envelope.
func (w *World) TrailTo(queueARN string) {
	w.TrailWith(func(body string) error { return w.Send(queueARN, body) })
}

// Deny denies an action (for example ec2:CreateTags, or CreateTags) to a user, by the name
// given to User; "*" is everybody.
func (w *World) Deny(user, action string) { w.SetDenied(user, action, true) }

// Allow ends a Deny.
func (w *World) Allow(user, action string) { w.SetDenied(user, action, false) }

// AddDestination makes a log group, bucket or delivery stream to deliver to.
func (w *World) AddDestination(arn string) { w.SetDeliveryTarget(arn, true) }

// RemoveDestination deletes a destination.
func (w *World) RemoveDestination(arn string) { w.SetDeliveryTarget(arn, false) }

// AddDeliveryRole makes a role that delivery can assume.
func (w *World) AddDeliveryRole(arn string) { w.SetDeliveryTarget(arn, true) }

// SetRegions sets the Regions that DescribeRegions names.
func (w *World) SetRegions(names ...string) {
	w.Configure(func(s *EC2Settings) { s.Regions = names })
}

// SetPageSize sets the longest page of a Describe; 0: as AWS allows.
func (w *World) SetPageSize(n int) {
	w.Configure(func(s *EC2Settings) { s.PageSize = n })
}

// SetConsistencyDelay makes every Describe show the flow logs as they were that
// long ago, an hour at most: AWS is eventually consistent.
func (w *World) SetConsistencyDelay(d time.Duration) {
	w.Configure(func(s *EC2Settings) { s.Delay = d })
}

// AllowDuplicates switches FlowLogAlreadyExists off.
func (w *World) AllowDuplicates(on bool) {
	w.Configure(func(s *EC2Settings) {
		s.Guard = SameDestination
		if on {
			s.Guard = NoGuard
		}
	})
}

// SetRates limits actions, for example to AWSRates; nil: no action has a limit.
func (w *World) SetRates(rates map[string]Rate) {
	w.Configure(func(s *EC2Settings) { s.Rates = rates })
}
