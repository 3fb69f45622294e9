package scopes

import (
	"testing"

	"flowkeeper/inventory"
)

// TestCallerIsWhoTheRecordsName: in another account the session of the role.
func TestCallerIsWhoTheRecordsName(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: ours}, Account{ID: theirs, RoleARN: role})
	for account, want := range map[string]string{
		ours:   "arn:aws:iam::111122223333:user/flowkeeper",
		theirs: "arn:aws:sts::222233334444:assumed-role/flowkeeper/flowkeeper",
	} {
		if got, err := f.Caller(t.Context(), inventory.Scope{Account: account, Region: "eu-west-1"}); got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if err := try(t, f, account, "eu-west-1"); err != nil {
			t.Error(err)
		}
		if calls := w.Calls("CreateFlowLogs"); calls[len(calls)-1].ARN != want {
			t.Errorf("the record names %s", calls[len(calls)-1].ARN)
		}
	}
	if _, err := f.Caller(t.Context(), inventory.Scope{Account: "1", Region: "eu-west-1"}); err == nil {
		t.Error("of a scope that is not configured")
	}
	w.Deny("flowkeeper", "GetCallerIdentity")
	if got, err := f.Caller(t.Context(), inventory.Scope{Account: ours, Region: "eu-west-1"}); got != "" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}
