package scopes

import (
	"net/http"
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

// TestCallerAsksSTS as every other client does: at the endpoint that is set for STS,
// not at that of EC2, with rotated credentials.
func TestCallerAsksSTS(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	t.Setenv("AWS_ENDPOINT_URL_EC2", "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com")
	t.Setenv("AWS_ENDPOINT_URL_STS", "https://vpce-2.sts.eu-west-1.vpce.amazonaws.com")
	var asked []string
	cfg := loaded(t, w)
	client := cfg.HTTPClient
	cfg.HTTPClient = doFunc(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Host)
		return client.Do(r)
	})
	fleet := connect(t, cfg, []string{"eu-west-1", "us-east-1"}, Account{ID: ours})
	f.holds(w.User(ours, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "InvalidClientTokenId", "")
	if got, err := fleet.Caller(t.Context(), inventory.Scope{Account: ours, Region: "us-east-1"}); err != nil || got != "arn:aws:iam::111122223333:user/flowkeeper" {
		t.Errorf("%q, %v", got, err)
	}
	for _, host := range asked {
		if host != "vpce-2.sts.eu-west-1.vpce.amazonaws.com" {
			t.Errorf("asked %s", host)
		}
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
