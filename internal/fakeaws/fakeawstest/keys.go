package fakeawstest

import (
	"net/http"

	"flowkeeper/internal/fakeaws"
)

// refusedKey is an access key that AWS does not take any more.
type refusedKey struct {
	code, message string
	calls         int // since then
}

// RefuseKey refuses every call that an access key signs from now on, as each
// service words it in its own protocol. A code for EC2, say AuthFailure, may be
// given for all: the client decides by it.
func (w *World) RefuseKey(accessKeyID, code, message string) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.refusedKeys[accessKeyID] = &refusedKey{code: code, message: message}
}

// RefusedCalls counts the calls that came with an access key since RefuseKey.
func (w *World) RefusedCalls(accessKeyID string) int {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	if k := w.faults.refusedKeys[accessKeyID]; k != nil {
		return k.calls
	}
	return 0
}

// RevokeSessions refuses every session of a role that was assumed until now, and
// returns their access keys: what IAM's "Revoke active sessions" does, by a policy
// that denies everything to those issued before.
func (w *World) RevokeSessions(roleARN string) (keys []string) {
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	for key, x := range w.sts.sessions {
		if x.SessionIssuer != roleARN {
			continue
		}
		keys = append(keys, key)
		w.RefuseKey(key, "UnauthorizedOperation", "You are not authorized to perform this operation. User: "+x.ARN+
			" is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy")
	}
	return keys
}

func (f *faults) refusesKey(q *fakeaws.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.refusedKeys[q.AccessKeyID]
	if k == nil {
		return nil
	}
	k.calls++
	return &fakeaws.Error{Code: k.code, Message: k.message, Status: http.StatusForbidden}
}
