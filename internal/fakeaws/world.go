package fakeaws

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// World is one AWS with any number of accounts and Regions. It is safe for
// concurrent use.
type World struct {
	now func() time.Time
	sqs *sqsService

	mu         sync.Mutex         // guards everything below
	services   map[string]Service // by the name that signatures have
	intercept  func(*Request) (lost bool, err error)
	users      map[string]Caller // by access key
	expires    map[string]time.Time
	roles      map[string]role
	regions    []string
	scopes     map[string]*ec2Scope // by account/region
	exists     map[string]bool      // destinations and delivery roles, by ARN
	denied     map[string]bool      // user/operation
	linked     map[string]bool      // account/service: service-linked roles
	trail      trail
	delay      time.Duration // of eventual consistency
	pageSize   int           // 0: as AWS allows
	duplicates bool          // are allowed: no FlowLogAlreadyExists
	ledger     []Call
	lastID     uint64
	lifetime   time.Duration // of assumed roles' credentials
}

// New returns an empty world, which takes the time from now.
func New(now func() time.Time) *World {
	w := &World{
		now: now, sqs: newSQS(now), users: map[string]Caller{}, expires: map[string]time.Time{}, roles: map[string]role{},
		intercept: func(*Request) (bool, error) { return false, nil },
		regions:   []string{"eu-west-1", "us-east-1"}, scopes: map[string]*ec2Scope{}, exists: map[string]bool{}, denied: map[string]bool{},
		linked: map[string]bool{}, lifetime: time.Hour,
	}
	w.services = map[string]Service{
		"ec2": ec2Service{Query{"http://ec2.amazonaws.com/doc/2016-11-15/"}, w},
		"sts": stsService{Query{"https://sts.amazonaws.com/doc/2011-06-15/"}, w},
		"sqs": w.sqs,
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

// Caller is who signed a request.
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

// Sessions are the credentials of a role that were handed out so far, without
// their secrets.
func (w *World) Sessions(roleARN string) (all []Credentials) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, c := range w.users {
		if c.SessionIssuer == roleARN {
			all = append(all, Credentials{AccessKeyID: key, ARN: c.ARN})
		}
	}
	return all
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

// SetPageSize makes a page of a Describe no longer than this; 0: as AWS
// allows.
func (w *World) SetPageSize(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pageSize = n
}

// SetConsistencyDelay makes every Describe show the flow logs as they were so
// long ago, an hour at most: AWS is eventually consistent.
func (w *World) SetConsistencyDelay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// AllowDuplicates switches FlowLogAlreadyExists off.
func (w *World) AllowDuplicates(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.duplicates = on
}

// AddResource makes a resource that flow logs can watch; its ID's prefix says
// what it is.
func (w *World) AddResource(account, region, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scope(account, region).resources[id] = true
}

// RemoveResource deletes a resource. AWS then removes its flow logs itself,
// with no DeleteFlowLogs call.
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
	// Permissions that AWS required of the caller, in addition to the
	// operation's own.
	Permissions []string
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
