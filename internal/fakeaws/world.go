// Package fakeaws is a strict AWS in this process: EC2's flow logs, SQS, STS,
// SNS and S3, behind one http.Handler that speaks their wire protocols. The
// real SDK is its client, so what is tested is what users run.
//
// It refuses what AWS refuses, and what it does not know. Each behaviour
// follows aws-facts.md; a comment names the part.
package fakeaws

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of New.
type Options struct {
	Now     func() time.Time // nil: time.Now
	Latency time.Duration    // added to each answer
}

// World is one AWS with any number of accounts and Regions. It is safe for
// concurrent use.
type World struct {
	now      func() time.Time
	sqs      *sqsService
	services map[string]Service // by the name that signatures have
	sns      *snsService
	s3       *s3Service

	mu       sync.Mutex // guards everything below
	latency  time.Duration
	users    map[string]Caller // by access key
	expires  map[string]time.Time
	roles    map[string]role
	regions  []string
	scopes   map[string]*ec2Scope // by account/region
	exists   map[string]bool      // destinations and delivery roles, by ARN
	denied   map[string]bool      // user/operation
	linked   map[string]bool      // account/service: service-linked roles
	trail    trail
	faults   []fault
	chaos    *rand.Rand
	odds     Odds
	meets    func(*Request) Refusal
	passes   func(time.Duration)
	spared   map[string]bool // users, by name
	delay    time.Duration   // of eventual consistency
	pageSize int             // 0: as AWS allows
	twins    bool            // FlowLogAlreadyExists is off
	ledger   []Call
	asked    map[Asked]bool
	lastID   uint64
	lifetime time.Duration // of assumed roles' credentials

	refusedKeys map[string]*refusedKey // by access key
}

// New returns an empty world.
func New(o Options) *World {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{
		now: o.Now, latency: o.Latency, users: map[string]Caller{}, expires: map[string]time.Time{}, roles: map[string]role{},
		regions: []string{"eu-west-1", "us-east-1"}, scopes: map[string]*ec2Scope{}, exists: map[string]bool{}, denied: map[string]bool{}, spared: map[string]bool{},
		asked: map[Asked]bool{}, linked: map[string]bool{}, lifetime: time.Hour, refusedKeys: map[string]*refusedKey{},
	}
	w.sqs = newSQS(o.Now)
	w.sns = newSNS(o.Now, w.sqs)
	w.s3 = newS3(o.Now)
	w.services = map[string]Service{
		"ec2": ec2Service{Query{"http://ec2.amazonaws.com/doc/2016-11-15/"}, w},
		"sts": stsService{Query{"https://sts.amazonaws.com/doc/2011-06-15/"}, w},
		"sqs": w.sqs, "sns": w.sns, "s3": w.s3,
	}
	return w
}

// caller is who signed a request.
type Caller struct {
	Account, Region, AccessKeyID, ARN, Type, Name, SessionIssuer, UserID string
	MFA                                                                  *bool
	SourceIP, UserAgent                                                  string
}

// Credentials of a user or role of this world.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken, ARN string
}

// User makes an IAM user and its access key.
func (w *World) User(account, name string, mfa bool) Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastID++
	c := Caller{
		Account: account, AccessKeyID: fmt.Sprintf("AKIA%016d", w.lastID), ARN: "arn:aws:iam::" + account + ":user/" + name,
		Type: "IAMUser", Name: name, UserID: fmt.Sprintf("AIDA%016d", w.lastID), MFA: &mfa,
	}
	w.users[c.AccessKeyID] = c
	return Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: "secret-of-" + name, ARN: c.ARN}
}

// role may be assumed.
type role struct{ externalID string }

// AddRole makes a role that STS lets anybody assume who knows its external ID.
func (w *World) AddRole(arn, externalID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles[arn] = role{externalID}
}

// SetRoleLifetime sets how long an assumed role's credentials last.
func (w *World) SetRoleLifetime(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lifetime = d
}

// SetRegions sets the Regions that DescribeRegions names.
func (w *World) SetRegions(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.regions = names
}

// AddResource makes a resource that flow logs can watch; its ID's prefix says
// what it is.
func (w *World) AddResource(account, region, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scope(account, region).resources[id] = true
}

// RemoveResource deletes a resource. AWS then removes its flow logs itself,
// with no DeleteFlowLogs call (aws-facts.md, "Someone else's state").
func (w *World) RemoveResource(account, region, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	delete(s.resources, id)
	for _, f := range slices.Clone(s.byResource[id]) {
		s.remove(f, w.now())
	}
}

// AddDestination makes a log group, bucket or delivery stream to deliver to.
func (w *World) AddDestination(arn string) { w.set(arn, true) }

// RemoveDestination deletes it.
func (w *World) RemoveDestination(arn string) { w.set(arn, false) }

// AddDeliveryRole makes a role that delivery can assume.
func (w *World) AddDeliveryRole(arn string) { w.set(arn, true) }

func (w *World) set(arn string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exists[strings.TrimSuffix(arn, ":*")] = there
}

// FlowLog is one flow log of the world, as it truly is.
type FlowLog struct {
	ID, ResourceID, TrafficType, LogDestinationType, LogDestination, LogGroupName string
	DeliverLogsPermissionARN, DeliverCrossAccountRole, LogFormat                  string
	MaxAggregationInterval                                                        int
	FileFormat                                                                    string
	HiveCompatiblePartitions, PerHourPartition                                    bool
	TagFields                                                                     []TagField
	Tags                                                                          map[string]string
	CreatedAt                                                                     time.Time
	DeliverStatus, DeliverError                                                   string
}

// TagField is one TagFieldSpecification.
type TagField struct {
	ResourceType string
	Keys         []string
}

// FlowLogs is the truth, whatever stale reads show: the flow logs that exist,
// oldest first.
func (w *World) FlowLogs(account, region string) []FlowLog {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []FlowLog
	for _, f := range w.scope(account, region).order {
		c := f.FlowLog
		c.Tags = maps.Clone(f.Tags)
		out = append(out, c)
	}
	return out
}

// Plant makes a flow log as if it had been there before: no call, no record.
func (w *World) Plant(account, region string, f FlowLog) (id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	s.resources[f.ResourceID] = true
	if f.ID == "" {
		f.ID = w.newFlowLogID()
	}
	if f.CreatedAt.IsZero() {
		f.CreatedAt = w.now()
	}
	s.add(&flowLog{FlowLog: f, shown: f.CreatedAt})
	w.linkFor(account, f)
	return f.ID
}

// Remove deletes a flow log with no call and no record. It reports whether
// it was there.
func (w *World) Remove(account, region, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	f := s.byID[id]
	if f != nil {
		s.remove(f, w.now())
	}
	return f != nil
}

// FailDelivery makes AWS say that a flow log's delivery fails.
func (w *World) FailDelivery(account, region, id, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.scope(account, region).byID[id]; f != nil {
		f.DeliverStatus, f.DeliverError = "FAILED", message
		if message == "" {
			f.DeliverStatus = "SUCCESS"
		}
	}
}

// Call is one request that changed something, or tried to.
type Call struct {
	Time      time.Time // when it was answered
	Operation string
	Account   string
	Region    string
	ARN       string // of the caller
	Code      string // of the error; empty: it succeeded
	DryRun    bool
	Form      url.Values
	IDs       []string // flow logs made or deleted
}

// Calls are the changing calls so far, in order; of one operation, or all.
func (w *World) Calls(operation string) []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Call
	for _, c := range w.ledger {
		if operation == "" || c.Operation == operation {
			out = append(out, c)
		}
	}
	return out
}

func (w *World) scope(account, region string) *ec2Scope {
	key := account + "/" + region
	s := w.scopes[key]
	if s == nil {
		s = &ec2Scope{account: account, region: region, resources: map[string]bool{}, byID: map[string]*flowLog{},
			byResource: map[string][]*flowLog{}, tokens: map[string]token{}}
		w.scopes[key] = s
	}
	return s
}

func (w *World) newFlowLogID() string {
	w.lastID++
	return fmt.Sprintf("fl-%017x", w.lastID)
}
