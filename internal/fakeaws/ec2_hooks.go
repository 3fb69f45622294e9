package fakeaws

import "slices"

// Hooks decide if an answer of EC2 depends on more than the call and the existing flow logs: on
// rates, on quotas, on what an organization forbids. They are called one at a time, while EC2 is
// locked: they must call neither its methods nor its clients.
type Hooks interface {
	// Before may refuse a call before anything else is checked. The call is recorded like any other.
	Before(*Request) error
	// CheckTags may refuse the tags that a call sets on all of its flow logs. It is not called for
	// a dry run.
	CheckTags(map[string]string) error
	// CheckCreate may refuse a flow log because of those on its resource (there): unsuccessful
	// concerns this resource alone, err the whole call.
	CheckCreate(f FlowLog, there []FlowLog) (unsuccessful *Error, err error)
	// Other answers a call of an operation that this package does not have, with the elements
	// of the answer, as Element makes them, or InvalidAction. It changes nothing.
	Other(*Request) (elements string, err error)
	// After is called with each call that changes something, or tries to, also a dry run, and with
	// its error; ids are the flow logs that it made, deleted or tagged. The order is that of the
	// effects.
	After(q *Request, ids []string, err error)
}

// SetHooks sets the hooks, before the first call.
func (e *EC2) SetHooks(h Hooks) { e.hooks = h }

// usual are the hooks of an EC2 if SetHooks is not called: two flow logs of one resource can't
// deliver to one destination.
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

// SameDestination reports whether two flow logs deliver to the same destination.
func (f FlowLog) SameDestination(other FlowLog) bool {
	return f.LogDestination == other.LogDestination && f.LogGroupName == other.LogGroupName
}

// AlreadyExists is the error of a create that AWS refuses because of an existing flow log.
func AlreadyExists() *Error {
	return Errorf("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
}

// InvalidAction is the error of an operation that EC2 does not have.
func InvalidAction(q *Request) *Error {
	return Errorf("InvalidAction", "The action %s is not valid for this web service.", q.Operation)
}
