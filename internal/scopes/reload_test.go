package scopes

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestNewCredentialsThatAreRefusedAsWellDoNotSpin: AWS refuses all credentials that are loaded. They are loaded at most
// once in reloadPause, and less and less often, and only the first load is logged above level debug. Once AWS accepts
// some, the pauses begin again with the shortest.
func TestNewCredentialsThatAreRefusedAsWellDoNotSpin(t *testing.T) {
	t.Parallel()
	w := world()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	loads := 0
	next := func() aws.CredentialsProvider {
		c := w.User(ours, "flowkeeper", true)
		w.RefuseKey(c.AccessKeyID, "AuthFailure", "AWS was not able to validate the provided access credentials")
		return static(c)
	}
	var log strings.Builder
	s := newSource(next(), func(context.Context) (aws.CredentialsProvider, error) { loads++; return next(), nil }, logTo(&log))
	s.pauses.now = func() time.Time { return now }
	cfg := s.signs(with(w, s), s)
	api := ec2.NewFromConfig(cfg)
	call := func() error { _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}); return err }
	for range 1000 { // 100 s
		if call() == nil {
			t.Fatal("a call with refused credentials succeeded")
		}
		now = now.Add(100 * time.Millisecond)
	}
	if loads < 3 || loads > 6 {
		t.Errorf("%d loads in 100 s, want 3 to 6", loads)
	}
	if n := strings.Count(log.String(), "level=INFO"); n != 1 {
		t.Errorf("%d lines about loads, want 1:\n%s", n, log.String())
	}
	good := w.User(ours, "flowkeeper", true)
	s.load = func(context.Context) (aws.CredentialsProvider, error) { return static(good), nil }
	now = now.Add(futilePauses.Most)
	if err := call(); err != nil {
		t.Errorf("with good credentials, a minute later: %v", err)
	}
	w.RefuseKey(good.AccessKeyID, "AuthFailure", "")
	s.load = func(context.Context) (aws.CredentialsProvider, error) { return static(w.User(ours, "x", true)), nil }
	now = now.Add(reloadPause)
	if err := call(); err != nil {
		t.Errorf("with other credentials, after the good ones were refused: %v", err)
	}
}

// TestManyCallsAtOnceLoadOnce: if many calls are refused at the same time, one of them loads the credentials again, and
// all are repeated with those.
func TestManyCallsAtOnceLoadOnce(t *testing.T) {
	t.Parallel()
	w := world()
	old, good := w.User(ours, "flowkeeper", true), w.User(ours, "flowkeeper", true)
	var loads atomic.Int32
	s := newSource(static(old), func(context.Context) (aws.CredentialsProvider, error) { loads.Add(1); return static(good), nil }, nil)
	api := ec2.NewFromConfig(s.signs(with(w, s), s))
	w.RefuseKey(old.AccessKeyID, "AuthFailure", "")
	failed := make(chan error)
	const many = 50
	for range many {
		go func() {
			_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
			failed <- err
		}()
	}
	for range many {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

// TestGivenCredentialsAreLoadedAgain: if AWS refuses cached credentials that Base was given, it empties the cache, so
// that they are loaded again. It does so at most once in reloadPause, by the clock that it was given.
func TestGivenCredentialsAreLoadedAgain(t *testing.T) {
	w := world()
	key := w.User(ours, "flowkeeper", true)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cached := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) { return static(key).Retrieve(ctx) }))
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", Credentials: cached, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = w.HTTPClient()
	if err := identify(t, cfg); err != nil {
		t.Fatal(err)
	}
	rotate := func() {
		w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
		key = w.User(ours, "flowkeeper", true)
	}
	rotate()
	if err := identify(t, cfg); err != nil {
		t.Errorf("with a refused key in the cache: %v", err)
	}
	rotate()
	if identify(t, cfg) == nil {
		t.Errorf("the key was loaded twice within %s", reloadPause)
	}
	now = now.Add(reloadPause)
	if err := identify(t, cfg); err != nil {
		t.Errorf("after %s: %v", reloadPause, err)
	}
}

// TestAKeyThatStaysTheSameIsLoggedOnce: while the file still has the key that AWS refuses, one line of log says so.
func TestAKeyThatStaysTheSameIsLoggedOnce(t *testing.T) {
	w := world()
	key := w.User(ours, "flowkeeper", true)
	newFile(t, key)
	var log strings.Builder
	cfg := loaded(t, w, logTo(&log))
	s := sourceOf(cfg)
	now := time.Now()
	s.pauses.now = func() time.Time { return now }
	w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
	for range 20 {
		if identify(t, cfg) == nil {
			t.Fatal("a call with the refused key succeeded")
		}
		now = now.Add(time.Minute)
	}
	if n := strings.Count(log.String(), "still has the same"); n != 1 {
		t.Errorf("%d lines about the key, want 1:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), key.SecretAccessKey) {
		t.Error("the secret is in the log (I11)")
	}
}

// TestTheRefusedEnvironmentIsReported: if AWS refuses credentials of the environment, directly or when a role is
// assumed with them, OnRefusedEnvironment's function is called once for many calls, and again after a pause. It is not
// called about a shared file, which can be read again.
func TestTheRefusedEnvironmentIsReported(t *testing.T) {
	for _, c := range []struct {
		name              string
		environment, role bool
		want              int
	}{
		{"environment", true, false, 1},
		{"a role assumed with the environment's", true, true, 1},
		{"shared file", false, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world()
			w.AddRole(role, "")
			key := w.User(ours, "flowkeeper", true)
			newFile(t, key)
			if c.environment {
				t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
				t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
			}
			cfg := loaded(t, w, nil)
			reported := 0
			OnRefusedEnvironment(cfg, func() { reported++ })
			now := time.Now()
			sourceOf(cfg).pauses.now = func() time.Time { return now }
			a := Account{}
			if c.role {
				a = Account{ID: theirs, RoleARN: role}
			}
			reached := a.Reach(Account{}.Reach(cfg))
			call := func() error { return identify(t, reached) }
			if RefusedEverywhere(t.Context(), cfg) || reported != 0 {
				t.Fatalf("credentials that AWS accepts count as refused, or were reported %d times", reported)
			}
			w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
			for range 20 {
				if call() == nil {
					t.Fatal("a call with the refused key succeeded")
				}
			}
			if reported != c.want {
				t.Errorf("reported %d times, want %d", reported, c.want)
			}
			now = now.Add(futilePauses.Most)
			if call() == nil || reported != 2*c.want {
				t.Errorf("reported %d times a minute later, want %d", reported, 2*c.want)
			}
			if !RefusedEverywhere(t.Context(), cfg) {
				t.Error("STS does not refuse the key")
			}
		})
	}
}

// TestAForeignEnvironmentIsNotReported: the environment has a key of another account. AWS accepts it, so it is not
// reported as refused, but no call is signed with it.
func TestAForeignEnvironmentIsNotReported(t *testing.T) {
	w := world()
	hideCredentials(t)
	key := w.User(theirs, "flowkeeper", true)
	t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	cfg := loaded(t, w, nil)
	OnRefusedEnvironment(cfg, func() { t.Error("reported") })
	f := connect(t, cfg, nil, Account{ID: ours})
	if err := create(t, f, ours, "eu-west-1"); err == nil {
		t.Error("a foreign key is used")
	}
}

// TestI13AfterAReload: credentials that are loaded again are verified before they sign any
// call, like those at the start.
func TestI13AfterAReload(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	fleet := connect(t, loaded(t, w, nil), nil)
	if err := create(t, fleet, ours, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	f.write(w.User(theirs, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "AuthFailure", "")
	err := list(t, fleet, ours)
	if wrong, ok := errors.AsType[*WrongAccountError](err); !ok || wrong.Have != theirs {
		t.Errorf("%v", err)
	}
}

// TestI13TheRightCredentialsAfterForeignOnes: the credentials file has the key of another account, which AWS does not
// refuse, and later the right key. The right key is used without a restart.
func TestI13TheRightCredentialsAfterForeignOnes(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	cfg := loaded(t, w, nil)
	now := time.Now()
	sourceOf(cfg).pauses.now = func() time.Time { return now }
	fleet := connect(t, cfg, nil)
	f.write(w.User(theirs, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "AuthFailure", "")
	for range 10 {
		err := list(t, fleet, ours)
		if _, wrong := errors.AsType[*WrongAccountError](err); !wrong {
			t.Fatalf("with a foreign key: %v", err)
		}
		now = now.Add(futilePauses.Most)
	}
	f.write(w.User(ours, "flowkeeper", true))
	if err := list(t, fleet, ours); err != nil {
		t.Errorf("with our own key again: %v", err)
	}
	if n := len(w.Calls("DescribeFlowLogs")); n > 2 {
		t.Errorf("%d calls: one was signed with the foreign key", n)
	}
}
