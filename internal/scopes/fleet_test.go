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

// silence is an AWS that does not answer the calls of an access key to a service.
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

// TestARegionThatIsEnabledLaterIsFound.
func TestARegionThatIsEnabledLaterIsFound(t *testing.T) {
	t.Parallel()
	w := world()
	w.SetRegions("eu-west-1")
	f := connect(t, base(w), []string{AllRegions})
	w.SetRegions("us-east-1", "eu-west-1")
	w.Fail("DescribeRegions", 1, "UnauthorizedOperation", http.StatusForbidden)
	if added, failed := f.Discover(t.Context()); len(added) != 0 || failed[ours] == nil {
		t.Errorf("AWS refused to say: %v %v", added, failed)
	}
	added, failed := f.Discover(t.Context())
	if late := (inventory.Scope{Account: ours, Region: "us-east-1"}); !slices.Equal(added, []inventory.Scope{late}) || len(failed) != 0 {
		t.Errorf("%v %v", added, failed)
	}
	if err := try(t, f, ours, "us-east-1"); err != nil {
		t.Error(err)
	}
	w.SetRegions("us-east-1")
	if added, _ := f.Discover(t.Context()); len(added) != 0 || len(f.Scopes()) != 2 {
		t.Errorf("%v %v", added, f.Scopes())
	}
	if f.Enabled(inventory.Scope{Account: ours, Region: "eu-west-1"}) || !f.Enabled(inventory.Scope{Account: ours, Region: "us-east-1"}) {
		t.Error("which Region is enabled is not known")
	}
	fixed := connect(t, base(w), []string{"eu-west-1"})
	if added, failed := fixed.Discover(t.Context()); added != nil || failed != nil || !fixed.Enabled(fixed.Scopes()[0]) {
		t.Errorf("where the configuration names the Regions: %v %v", added, failed)
	}
}

// TestAnAccountThatDoesNotAnswerDelaysNoStart: its Regions are those remembered.
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

// TestOurOwnRegionsAreRemembered, and used if AWS does not allow DescribeRegions.
func TestOurOwnRegionsAreRemembered(t *testing.T) {
	t.Parallel()
	w := world()
	w.Deny("flowkeeper", "DescribeRegions")
	s := inventory.Scope{Account: ours, Region: "us-east-1"}
	if err := NewFleet(base(w), []string{AllRegions}, silent).Connect(t.Context(), nil); err == nil {
		t.Error("nothing says which Regions there are")
	}
	f := NewFleet(base(w), []string{AllRegions}, silent)
	if err := f.Connect(t.Context(), nil, s); err != nil || !slices.Equal(f.Scopes(), []inventory.Scope{s}) || !f.Enabled(s) {
		t.Errorf("%v", err)
	}
}

// TestAVerificationDelaysNoOtherCall beyond the deadline of that other call.
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
			t.Errorf("the last one gave up after %s", took)
		}
	})
}

// TestAnAssumeRoleThatHangsOnceIsNotWaitedForEver: callers give up, and the next
// ones ask anew.
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
	cfg := loaded(t, w, nil)
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

// TestAccountsComeAndGo: those that join have clients of their own Regions, those that leave have
// none any more, and the others stay as they are.
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
		t.Error("which account's Regions are asked for is not known")
	}
	if err := try(t, f, theirs, "us-east-1"); err != nil {
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
		t.Error("it has a client still")
	}
	if _, err := f.Caller(t.Context(), gone); err == nil {
		t.Error("it is asked who calls there")
	}
	w.SetRegions("us-west-2")
	if added, failed := f.Discover(t.Context()); len(added) != 0 || len(failed) != 0 {
		t.Errorf("%v %v", added, failed)
	}
	if added, err := f.Join(t.Context(), []Account{{ID: theirs, RoleARN: role}}); err != nil || !slices.Equal(added, of(theirs, "eu-west-1")) {
		t.Errorf("back: %v, %v", added, err)
	}
}

// TestAnAccountThatLeavesWhileItIsAskedGetsNoScopes.
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

// TestI13AnAccountThatJoins: only its own credentials sign calls in it.
func TestI13AnAccountThatJoins(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: ours})
	if _, err := f.Join(t.Context(), []Account{{ID: "333344445555", RoleARN: role}}); err != nil {
		t.Fatal(err)
	}
	err := try(t, f, "333344445555", "eu-west-1")
	if _, wrong := errors.AsType[*WrongAccountError](err); !wrong || !OfAccount(err) || len(w.Calls("CreateFlowLogs")) != 0 {
		t.Errorf("%v", err)
	}
}

func TestOfAccount(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), []string{"eu-west-1"}, Account{ID: theirs, RoleARN: role}, Account{ID: "333344445555", RoleARN: "arn:aws:iam::333344445555:role/none"})
	if err := try(t, f, "333344445555", "eu-west-1"); !OfAccount(err) {
		t.Errorf("a role that can't be assumed: %v", err)
	}
	w.Fail("CreateFlowLogs", 1, "UnauthorizedOperation", http.StatusForbidden)
	if err := try(t, f, theirs, "eu-west-1"); err == nil || OfAccount(err) {
		t.Errorf("a call that is refused: %v", err)
	}
	if OfAccount(nil) {
		t.Error("no error")
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
	for _, want := range []string{"aws-cn", "aws"} { // without an answer, and with one
		if p := LikelyPartition(t.Context(), china); p != want {
			t.Errorf("%q instead of %q", p, want)
		}
	}
}
