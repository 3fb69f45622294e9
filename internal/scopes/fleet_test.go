package scopes

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
)

// silence is an HTTP client for which some services do not answer some access keys.
type silence struct {
	inner aws.HTTPClient
	of    func(key, service string) bool
}

func (s silence) Do(r *http.Request) (*http.Response, error) {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if p := strings.Split(scope, "/"); len(p) > 3 && s.of(p[0], p[3]) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return s.inner.Do(r)
}

// TestARegionThatIsEnabledLaterIsFound: Discover finds a Region that was enabled after Connect, and adds its client. A
// Region that AWS names no more keeps its scope, and is not enabled.
func TestARegionThatIsEnabledLaterIsFound(t *testing.T) {
	t.Parallel()
	w := world()
	w.SetRegions("eu-west-1")
	f := connect(t, base(w), []string{AllRegions})
	w.SetRegions("us-east-1", "eu-west-1")
	w.Fail("DescribeRegions", 1, "UnauthorizedOperation", http.StatusForbidden)
	if added, failed := f.Discover(t.Context()); len(added) != 0 || failed[ours] == nil {
		t.Errorf("with a refused call: added %v, failed %v", added, failed)
	}
	added, failed := f.Discover(t.Context())
	if late := (inventory.Scope{Account: ours, Region: "us-east-1"}); !slices.Equal(added, []inventory.Scope{late}) || len(failed) != 0 {
		t.Errorf("%v %v", added, failed)
	}
	if err := create(t, f, ours, "us-east-1"); err != nil {
		t.Error(err)
	}
	w.SetRegions("us-east-1")
	if added, _ := f.Discover(t.Context()); len(added) != 0 || len(f.Scopes()) != 2 {
		t.Errorf("%v %v", added, f.Scopes())
	}
	if f.Enabled(inventory.Scope{Account: ours, Region: "eu-west-1"}) || !f.Enabled(inventory.Scope{Account: ours, Region: "us-east-1"}) {
		t.Error("eu-west-1 counts as enabled, or us-east-1 does not")
	}
	fixed := connect(t, base(w), []string{"eu-west-1"})
	if added, failed := fixed.Discover(t.Context()); added != nil || failed != nil || !fixed.Enabled(fixed.Scopes()[0]) {
		t.Errorf("with Regions that the configuration names: added %v, failed %v", added, failed)
	}
}

// TestAnAccountThatDoesNotAnswerDelaysNoStart: if AWS does not answer in an account, the start waits at most
// startPatience for its Regions, and then takes those that an earlier daemon has stored.
func TestAnAccountThatDoesNotAnswerDelaysNoStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world()
		w.AddRole(role, "")
		cfg := base(w)
		cfg.HTTPClient = silence{cfg.HTTPClient, func(key, service string) bool { return strings.HasPrefix(key, "ASIA") }}
		remembered := []inventory.Scope{{Account: theirs, Region: "ap-south-2"}, {Account: ours, Region: "eu-west-1"}}
		begun := time.Now()
		f := NewFleet(cfg, []string{AllRegions}, silent)
		if err := f.Connect(t.Context(), []Account{{ID: theirs, RoleARN: role}, {ID: ours}}, remembered...); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > startPatience+time.Second {
			t.Errorf("the start took %s", took)
		}
		want := []inventory.Scope{{Account: theirs, Region: "ap-south-2"}, {Account: ours, Region: "eu-west-1"}, {Account: ours, Region: "us-east-1"}}
		if got := f.Scopes(); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
}

// TestOurOwnRegionsAreRemembered: if AWS refuses DescribeRegions in the account of the credentials, the stored Regions
// are used. Without any, Connect fails.
func TestOurOwnRegionsAreRemembered(t *testing.T) {
	t.Parallel()
	w := world()
	w.Deny("flowkeeper", "DescribeRegions")
	s := inventory.Scope{Account: ours, Region: "us-east-1"}
	if err := NewFleet(base(w), []string{AllRegions}, silent).Connect(t.Context(), nil); err == nil {
		t.Error("connected without knowing any Region")
	}
	f := NewFleet(base(w), []string{AllRegions}, silent)
	if err := f.Connect(t.Context(), nil, s); err != nil || !slices.Equal(f.Scopes(), []inventory.Scope{s}) || !f.Enabled(s) {
		t.Errorf("%v", err)
	}
}

// TestAVerificationDelaysNoOtherCall: while STS does not answer the verification of the credentials, the calls that
// wait for it end by their own deadlines, not one after another.
func TestAVerificationDelaysNoOtherCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world()
		cfg := base(w)
		cfg.HTTPClient = silence{cfg.HTTPClient, func(_, service string) bool { return service == "sts" }}
		f := connect(t, cfg, []string{"eu-west-1", "us-east-1", "us-east-2", "us-west-1"}, Account{ID: ours})
		begun := time.Now()
		done := make(chan error)
		for _, s := range f.Scopes() {
			api, _ := f.EC2(s)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
				defer cancel()
				_, err := api.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
				done <- err
			}()
		}
		for range f.Scopes() {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took > 26*time.Second {
			t.Errorf("the last call ended after %s, want 26 s at most", took)
		}
	})
}

// TestAnAssumeRoleThatHangsOnceIsNotWaitedForEver: callers wait for AssumeRole until their own deadlines. Later callers
// do not wait for the call that hangs, but send another one.
func TestAnAssumeRoleThatHangsOnceIsNotWaitedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world()
		w.AddRole(role, "")
		cfg := base(w)
		var hang atomic.Bool // the SDK asks in a goroutine of its own
		hang.Store(true)
		cfg.HTTPClient = silence{cfg.HTTPClient, func(_, service string) bool { return hang.Load() && service == "sts" }}
		f := connect(t, cfg, []string{"eu-west-1"}, Account{ID: theirs, RoleARN: role})
		api, _ := f.EC2(inventory.Scope{Account: theirs, Region: "eu-west-1"})
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			_, err := api.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
			return err
		}
		if err := ask(); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		hang.Store(false)
		time.Sleep(assumeTimeout)
		if err := ask(); err != nil {
			t.Error(err)
		}
	})
}

// TestCallerIsWhoTheRecordsName: Caller returns the ARN that CloudTrail's records have: in another account, it is that
// of the role's session.
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
		if err := create(t, f, account, "eu-west-1"); err != nil {
			t.Error(err)
		}
		if calls := w.Calls("CreateFlowLogs"); calls[len(calls)-1].ARN != want {
			t.Errorf("the record has %s, want %s", calls[len(calls)-1].ARN, want)
		}
	}
	if _, err := f.Caller(t.Context(), inventory.Scope{Account: "1", Region: "eu-west-1"}); err == nil {
		t.Error("Caller answers about a scope that is not configured")
	}
	w.Deny("flowkeeper", "GetCallerIdentity")
	if got, err := f.Caller(t.Context(), inventory.Scope{Account: ours, Region: "eu-west-1"}); got != "" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestCallerAsksSTS: Caller calls the endpoint that is set for STS, not the one for EC2, and uses rotated credentials,
// as every other client does.
func TestCallerAsksSTS(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	t.Setenv("AWS_ENDPOINT_URL_EC2", "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com")
	t.Setenv("AWS_ENDPOINT_URL_STS", "https://vpce-2.sts.eu-west-1.vpce.amazonaws.com")
	var asked []string
	cfg := loaded(t, w, nil)
	client := cfg.HTTPClient
	cfg.HTTPClient = doFunc(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Host)
		return client.Do(r)
	})
	fleet := connect(t, cfg, []string{"eu-west-1", "us-east-1"}, Account{ID: ours})
	f.write(w.User(ours, "flowkeeper", true))
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

// TestAccountsComeAndGo: an account that joins gets a client for each of its own Regions, and loses them when it
// leaves. The other accounts do not change.
func TestAccountsComeAndGo(t *testing.T) {
	t.Parallel()
	const third = "333344445555"
	w := world()
	w.AddRole(role, "")
	w.SetRegions("eu-west-1", "us-east-1")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: ours}, Account{ID: third, Regions: []string{"ap-south-2", "eu-west-1"}})
	of := func(account string, regions ...string) (out []inventory.Scope) {
		for _, r := range regions {
			out = append(out, inventory.Scope{Account: account, Region: r})
		}
		return out
	}
	before := slices.Concat(of(ours, "eu-west-1"), of(third, "ap-south-2", "eu-west-1"))
	if got := f.Scopes(); !slices.Equal(got, before) {
		t.Fatal(got)
	}
	added, err := f.Join(t.Context(), []Account{{ID: theirs, RoleARN: role, Regions: []string{AllRegions}}, {ID: ours, Regions: []string{"us-east-1"}}})
	if all := of(theirs, "us-east-1", "eu-west-1"); err != nil || len(added) != 2 || !slices.Contains(added, all[0]) || !slices.Contains(added, all[1]) {
		t.Errorf("%v, %v", added, err)
	}
	if !f.Lists(theirs) || f.Lists(ours) || f.Lists(third) || f.Lists("444455556666") {
		t.Error("Lists is not true for exactly the account that is configured with all Regions")
	}
	if err := create(t, f, theirs, "us-east-1"); err != nil {
		t.Error(err)
	}
	if removed := f.Leave(theirs, third, "444455556666"); len(removed) != 4 {
		t.Errorf("%v", removed)
	}
	if got := f.Scopes(); !slices.Equal(got, of(ours, "eu-west-1")) || !slices.Equal(f.Accounts(), []string{ours}) {
		t.Errorf("%v of %v", got, f.Accounts())
	}
	gone := inventory.Scope{Account: theirs, Region: "us-east-1"}
	if _, ok := f.EC2(gone); ok {
		t.Error("a scope of an account that has left still has a client")
	}
	if _, err := f.Caller(t.Context(), gone); err == nil {
		t.Error("Caller answers about a scope of an account that has left")
	}
	w.SetRegions("us-west-2")
	if added, failed := f.Discover(t.Context()); len(added) != 0 || len(failed) != 0 {
		t.Errorf("%v %v", added, failed)
	}
	if added, err := f.Join(t.Context(), []Account{{ID: theirs, RoleARN: role}}); err != nil || !slices.Equal(added, of(theirs, "eu-west-1")) {
		t.Errorf("an account that comes back: added %v, %v", added, err)
	}
}

// TestAnAccountThatLeavesWhileItIsAskedGetsNoScopes: an account leaves while AWS is asked for its Regions. The answer
// must not bring it back.
func TestAnAccountThatLeavesWhileItIsAskedGetsNoScopes(t *testing.T) {
	t.Parallel()
	w := world()
	w.SetRegions("eu-west-1")
	cfg := base(w)
	f := connect(t, cfg, []string{AllRegions}, Account{ID: ours})
	f.all()[0].cfg.HTTPClient = doFunc(func(r *http.Request) (*http.Response, error) {
		f.Leave(ours)
		return cfg.HTTPClient.Do(r)
	})
	w.SetRegions("eu-west-1", "us-east-1")
	if added, _ := f.Discover(t.Context()); len(added) != 0 || len(f.Scopes()) != 0 {
		t.Errorf("%v, %v", added, f.Scopes())
	}
}

// TestI13AnAccountThatJoins: an account joins with the role of another account. No call is signed with the credentials
// of that role.
func TestI13AnAccountThatJoins(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: ours})
	if _, err := f.Join(t.Context(), []Account{{ID: "333344445555", RoleARN: role}}); err != nil {
		t.Fatal(err)
	}
	err := create(t, f, "333344445555", "eu-west-1")
	if _, wrong := errors.AsType[*WrongAccountError](err); !wrong || !OfAccount(err) || len(w.Calls("CreateFlowLogs")) != 0 {
		t.Errorf("%v", err)
	}
}

func TestOfAccount(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: theirs, RoleARN: role}, Account{ID: "333344445555", RoleARN: "arn:aws:iam::333344445555:role/none"})
	if err := create(t, f, "333344445555", "eu-west-1"); !OfAccount(err) {
		t.Errorf("a role that can't be assumed: %v", err)
	}
	w.Fail("CreateFlowLogs", 1, "UnauthorizedOperation", http.StatusForbidden)
	if err := create(t, f, theirs, "eu-west-1"); err == nil || OfAccount(err) {
		t.Errorf("a call that is refused: %v", err)
	}
	if OfAccount(nil) {
		t.Error("nil counts as an error of the account")
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	w := world()
	if p, err := Partition(t.Context(), base(w)); p != "aws" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	w.Fail("GetCallerIdentity", 1, "AccessDenied", http.StatusForbidden)
	if p, err := Partition(t.Context(), base(w)); p != "" || err == nil {
		t.Errorf("%q, %v", p, err)
	}
	china := base(w)
	china.Region = "cn-north-1"
	w.Fail("GetCallerIdentity", 1, "AccessDenied", http.StatusForbidden)
	for _, want := range []string{"aws-cn", "aws"} { // first AWS refuses the call, then it answers
		if p := LikelyPartition(t.Context(), china); p != want {
			t.Errorf("%q instead of %q", p, want)
		}
	}
}
