package fakeaws

import "slices"

// Hooks are asked where an answer of EC2 depends on more than the call and the flow logs that
// there are: on rates, on quotas, on what an organization forbids. EC2 is locked meanwhile: they
// call neither its methods nor its clients. They are called one at a time.
type Hooks interface {
	// Before may refuse a call of which nothing is checked yet. It is recorded like any other.
	Before(*Request) error
	// CheckTags may refuse the tags that a call sets on all of its flow logs; a dry run does not
	// ask.
	CheckTags(map[string]string) error
	// CheckCreate says what keeps a flow log from being made beside those on its resource:
	// unsuccessful concerns this resource alone, err the whole call.
	CheckCreate(f FlowLog, there []FlowLog) (unsuccessful *Error, err error)
	// Other answers a call of an operation that this package does not have, with the elements
	// of the answer, as Element makes them, or InvalidAction. It changes nothing.
	Other(*Request) (elements string, err error)
	// After sees each call that changes something, or tries to, also a dry run, and its error;
	// ids are the flow logs that it made, deleted or tagged. It is called in the order of their effects.
	After(q *Request, ids []string, err error)
}

// SetHooks sets the hooks, before the first call.
func (e *EC2) SetHooks(h Hooks) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks = h
}

// usual are the hooks of an EC2 that has no others: two flow logs of one resource can't deliver
// to one destination.
type usual struct{}

// Before implements Hooks.
func (usual) Before(*Request) error { return nil }

// CheckTags implements Hooks.
func (usual) CheckTags(map[string]string) error { return nil }

// CheckCreate implements Hooks.
func (usual) CheckCreate(f FlowLog, there []FlowLog) (unsuccessful *Error, err error) {
	if slices.ContainsFunc(there, f.SameDestination) {
		return AlreadyExists(), nil
	}
	return nil, nil
}

// Other implements Hooks.
func (usual) Other(q *Request) (string, error) { return "", InvalidAction(q) }

// After implements Hooks.
func (usual) After(*Request, []string, error) {}

// SameDestination says whether two flow logs deliver to the same place.
func (f FlowLog) SameDestination(other FlowLog) bool {
	return f.LogDestination == other.LogDestination && f.LogGroupName == other.LogGroupName
}

// AlreadyExists refuses a flow log that can't stand beside one that is there.
func AlreadyExists() *Error {
	return Errorf("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
}

// InvalidAction refuses an operation that EC2 does not have.
func InvalidAction(q *Request) *Error {
	return Errorf("InvalidAction", "The action %s is not valid for this web service.", q.Operation)
}
