package fakeaws

import (
	"net/url"
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
	calls      []Call
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

// SetRegions sets the Regions that DescribeRegions names.
func (w *World) SetRegions(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.regions = names
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
	for _, c := range w.calls {
		if operation == "" || c.Operation == operation {
			out = append(out, c)
		}
	}
	return out
}
