package fakeawstest

import (
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

// EC2Settings are how EC2 behaves.
type EC2Settings struct {
	*fakeaws.EC2Settings

	Regions     []string        // the Regions that DescribeRegions names
	Rates       map[string]Rate // by action; other actions have no limit
	TagPolicy   TagPolicy
	Quota       int // flow logs of one resource; 0: any number
	Guard       Guard
	ExistsFails bool // FlowLogAlreadyExists fails the whole call; false: it is an item of Unsuccessful. AWS was seen to do both
}

// ec2Hooks refuse calls by these settings, and keep the calls. EC2 may be locked when mu is
// taken; mu must not be held when EC2 is called.
type ec2Hooks struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	settings EC2Settings
	refused  map[string]*fakeaws.Error // creates, by resource
	buckets  map[rateKey]tokenBucket
	linked   map[linkedRole]bool // those that exist
	calls    []Call
}

// Configure changes the settings.
func (w *World) Configure(change func(*EC2Settings)) {
	w.World.Configure(func(s *fakeaws.EC2Settings) {
		w.ec2.mu.Lock()
		defer w.ec2.mu.Unlock()
		w.ec2.settings.EC2Settings = s
		change(&w.ec2.settings)
	})
}

// RefuseCreate has every create on a resource come back in Unsuccessful, with this code
// and message. An empty code ends that.
func (w *World) RefuseCreate(resourceID, code, message string) {
	w.ec2.mu.Lock()
	defer w.ec2.mu.Unlock()
	w.ec2.refused[resourceID] = fakeaws.Errorf(code, "%s", message)
	if code == "" {
		delete(w.ec2.refused, resourceID)
	}
}

// CheckCreate implements fakeaws.Hooks.
func (h *ec2Hooks) CheckCreate(f fakeaws.FlowLog, there []fakeaws.FlowLog) (unsuccessful *fakeaws.Error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.ContainsFunc(there, func(other fakeaws.FlowLog) bool { return h.settings.Guard.refuses(f, other) }) {
		if h.settings.ExistsFails {
			return nil, fakeaws.AlreadyExists()
		}
		return fakeaws.AlreadyExists(), nil
	}
	if n := h.settings.Quota; n > 0 && len(there) >= n {
		return fakeaws.Errorf("FlowLogsLimitExceeded", "You have reached the maximum number of flow logs for %s", f.ResourceID), nil
	}
	return h.refused[f.ResourceID], nil
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
	IDs       []string // flow logs made, deleted or tagged
}

// After implements fakeaws.Hooks.
func (h *ec2Hooks) After(q *fakeaws.Request, ids []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	call := Call{Time: h.now(), Operation: q.Operation, Account: q.Account, Region: q.Region, ARN: q.ARN, Form: q.Form, IDs: ids, DryRun: q.Form.Get("DryRun") == "true"}
	if refused, ok := errors.AsType[*fakeaws.Error](err); ok {
		call.Code = refused.Code
	}
	h.calls = append(h.calls, call)
	if q.Operation == "CreateFlowLogs" && len(ids) > 0 {
		h.link(q.Account, toFirehose(q.Form), tagFields(q.Form))
	}
}

// Calls are the changing calls of EC2 so far, in order; of one operation, or all.
func (w *World) Calls(operation string) (all []Call) {
	w.ec2.mu.Lock()
	defer w.ec2.mu.Unlock()
	for _, c := range w.ec2.calls {
		if operation == "" || c.Operation == operation {
			all = append(all, c)
		}
	}
	return all
}

// TakeCalls returns the changing calls so far and forgets them: then Calls begins anew. A run of
// days would fill the memory without it.
func (w *World) TakeCalls() []Call {
	w.ec2.mu.Lock()
	defer w.ec2.mu.Unlock()
	calls := w.ec2.calls
	w.ec2.calls = nil
	return calls
}
