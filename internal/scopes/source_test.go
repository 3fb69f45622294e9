package scopes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

// nowhere keeps the SDK from this machine's own credentials.
func nowhere(t *testing.T) {
	for k, v := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_CA_BUNDLE": "", "AWS_PROFILE": "", "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CONFIG_FILE": os.DevNull, "AWS_CONTAINER_CREDENTIALS_FULL_URI": ""} {
		t.Setenv(k, v)
	}
}

// file is a shared credentials file that the SDK finds.
type file struct {
	t    *testing.T
	path string
}

func newFile(t *testing.T, c fakeaws.Credentials) file {
	nowhere(t)
	f := file{t, filepath.Join(t.TempDir(), "credentials")}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", f.path)
	f.holds(c)
	return f
}

func (f file) holds(c fakeaws.Credentials) {
	f.t.Helper()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", c.AccessKeyID, c.SecretAccessKey)
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func loaded(t *testing.T, w *fakeawstest.World) aws.Config {
	t.Helper()
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", HTTPClient: w.HTTPClient()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// everyService calls each service that the daemon uses once.
func everyService(t *testing.T, cfg aws.Config, api interface {
	DescribeFlowLogs(context.Context, *ec2.DescribeFlowLogsInput, ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error)
}, queue string) error {
	_, err1 := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	_, err2 := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue})
	_, err3 := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	_, err4 := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("copies"), Key: aws.String("state.db"), Body: strings.NewReader("state")})
	_, err5 := sns.NewFromConfig(cfg).Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:eu-west-1:" + ours + ":alerts"), Message: aws.String("x")})
	return errors.Join(err1, err2, err3, err4, err5)
}

func stage() (w *fakeawstest.World, queue string) {
	w = world()
	queue, _ = w.CreateQueue(ours, "eu-west-1", "flowkeeper", nil)
	w.AddBucket("eu-west-1", "copies")
	w.CreateTopic(ours, "eu-west-1", "alerts")
	return w, queue
}

// TestRotatedSharedFileIsReadAgain: at the first refusal, by whichever service, and
// every client signs with the new key from then on.
func TestRotatedSharedFileIsReadAgain(t *testing.T) {
	for _, code := range []string{"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
		"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidAccessKeyId"} {
		t.Run(code, func(t *testing.T) {
			w, queue := stage()
			old := w.User(ours, "flowkeeper", true)
			f := newFile(t, old)
			cfg := loaded(t, w)
			fleet := connect(t, cfg, nil)
			api, _ := fleet.EC2(inventory.Scope{Account: ours, Region: "eu-west-1"})
			if err := everyService(t, cfg, api, queue); err != nil {
				t.Fatal(err)
			}
			f.holds(w.User(ours, "flowkeeper", true))
			w.RefuseKey(old.AccessKeyID, code, "")
			for range 10 {
				if err := everyService(t, cfg, api, queue); err != nil {
					t.Fatalf("after the rotation: %v", err)
				}
			}
			if n := w.RefusedCalls(old.AccessKeyID); n != 1 {
				t.Errorf("%d calls with the old key", n)
			}
		})
	}
}

// TestEachServiceNoticesARotation by itself, body and all.
func TestEachServiceNoticesARotation(t *testing.T) {
	w, queue := stage()
	key := w.User(ours, "flowkeeper", true)
	f := newFile(t, key)
	calls := map[string]func(aws.Config) error{
		"sqs": func(cfg aws.Config) error {
			_, err := sqs.NewFromConfig(cfg).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("body")})
			return err
		},
		"s3": func(cfg aws.Config) error {
			api := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
			_, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("copies"), Key: aws.String("state.db"), Body: strings.NewReader("state")})
			return err
		},
		"sns": func(cfg aws.Config) error {
			_, err := sns.NewFromConfig(cfg).Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:eu-west-1:" + ours + ":alerts"), Message: aws.String("x")})
			return err
		},
		"sts": func(cfg aws.Config) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			return err
		},
	}
	for service, call := range calls {
		cfg := loaded(t, w)
		if err := call(cfg); err != nil {
			t.Fatal(service, err)
		}
		next := w.User(ours, "flowkeeper", true)
		f.holds(next)
		w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "The security token included in the request is invalid.")
		if err := call(cfg); err != nil {
			t.Errorf("%s: %v", service, err)
		}
		key = next
	}
}

// TestRevokedSessionIsAssumedAgain, and so is one that has expired by AWS's clock.
func TestRevokedSessionIsAssumedAgain(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), nil, Account{ID: theirs, RoleARN: role})
	if err := try(t, f, theirs, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	keys := w.RevokeSessions(role)
	api, _ := f.EC2(inventory.Scope{Account: theirs, Region: "eu-west-1"})
	if _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}); err != nil {
		t.Errorf("after the sessions were revoked: %v", err)
	}
	if n := w.RefusedCalls(keys[0]); len(keys) != 1 || n != 1 {
		t.Errorf("%d calls with the revoked session", n)
	}
}

// TestARolesOwnSourceIsRotated: the session is renewed with the new key.
func TestARolesOwnSourceIsRotated(t *testing.T) {
	w := world()
	w.AddRole(role, "")
	w.SetRoleLifetime(time.Minute) // each call renews the session
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	fleet := connect(t, loaded(t, w), nil, Account{ID: theirs, RoleARN: role})
	if err := try(t, fleet, theirs, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	f.holds(w.User(ours, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "InvalidClientTokenId", "")
	w.RevokeSessions(role)
	api, _ := fleet.EC2(inventory.Scope{Account: theirs, Region: "eu-west-1"})
	for range 3 {
		if _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.RefusedCalls(old.AccessKeyID); n != 1 {
		t.Errorf("%d calls with the old key", n)
	}
}

// TestCredentialsThatComeLaterAreFound: the file was not there at the start.
func TestCredentialsThatComeLaterAreFound(t *testing.T) {
	w := world()
	c := w.User(ours, "flowkeeper", true)
	f := newFile(t, c)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	cfg := loaded(t, w)
	s := sourceOf(cfg)
	now := time.Now()
	s.pauses.now = func() time.Time { return now }
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil {
		t.Fatal("credentials out of nowhere")
	}
	f.holds(c)
	now = now.Add(time.Minute)
	if got, err := cfg.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != c.AccessKeyID {
		t.Errorf("%v", err)
	}
}

// TestInstanceAndContainerCredentialsAreAskedForAgain.
func TestInstanceAndContainerCredentialsAreAskedForAgain(t *testing.T) {
	for _, kind := range []string{"instance", "container"} {
		t.Run(kind, func(t *testing.T) {
			nowhere(t)
			w := world()
			old := w.User(ours, "flowkeeper", true)
			var current atomic.Value
			current.Store(old.AccessKeyID)
			served := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPut:
					rw.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
					fmt.Fprint(rw, "token")
				case strings.HasSuffix(r.URL.Path, "/security-credentials/"), strings.HasSuffix(r.URL.Path, "/security-credentials-extended/"):
					fmt.Fprint(rw, "role")
				default:
					fmt.Fprintf(rw, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":"s","Token":"t","Expiration":%q,"LastUpdated":%q}`,
						current.Load(), time.Now().Add(5*time.Hour).UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
				}
			}))
			defer served.Close()
			if kind == "instance" {
				t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
				t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", served.URL)
			} else {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", served.URL+"/creds")
			}
			cfg, err := Base(t.Context(), Options{Region: "eu-west-1"})
			if err != nil {
				t.Fatal(err)
			}
			cfg.HTTPClient = w.HTTPClient()
			ask := func() error {
				_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
				return err
			}
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			current.Store(w.User(ours, "flowkeeper", true).AccessKeyID)
			w.RefuseKey(old.AccessKeyID, "ExpiredToken", "The security token included in the request is expired")
			if err := ask(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNewCredentialsThatAreRefusedAsWellDoNotSpin: at most one load in
// reloadPause, fewer as it goes on, of which the log tells the first; and at once
// again when it works.
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
			t.Fatal("accepted")
		}
		now = now.Add(100 * time.Millisecond)
	}
	if loads < 3 || loads > 6 {
		t.Errorf("%d loads in 100 s", loads)
	}
	if n := strings.Count(log.String(), "level=INFO"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	good := w.User(ours, "flowkeeper", true)
	s.load = func(context.Context) (aws.CredentialsProvider, error) { return static(good), nil }
	now = now.Add(futilePauses.Most)
	if err := call(); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	w.RefuseKey(good.AccessKeyID, "AuthFailure", "")
	s.load = func(context.Context) (aws.CredentialsProvider, error) { return static(w.User(ours, "x", true)), nil }
	now = now.Add(reloadPause)
	if err := call(); err != nil {
		t.Errorf("refused again, after it worked: %v", err)
	}
}

// TestManyCallsAtOnceLoadOnce: and each is repeated with what one of them loaded.
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
		t.Errorf("%d loads", n)
	}
}

// TestAKeyThatStaysTheSameIsSaidOnce: nobody has put a new one there.
func TestAKeyThatStaysTheSameIsSaidOnce(t *testing.T) {
	w := world()
	key := w.User(ours, "flowkeeper", true)
	newFile(t, key)
	var log strings.Builder
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", HTTPClient: w.HTTPClient(), Log: logTo(&log)})
	if err != nil {
		t.Fatal(err)
	}
	s := sourceOf(cfg)
	now := time.Now()
	s.pauses.now = func() time.Time { return now }
	w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
	for range 20 {
		if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
			t.Fatal("accepted")
		}
		now = now.Add(time.Minute)
	}
	if n := strings.Count(log.String(), "still has the same"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), key.SecretAccessKey) {
		t.Error("the secret is in the log (I11)")
	}
}

// TestTheRefusedEnvironmentIsReported: once for many calls, whoever signs with it, and
// again after a pause; a file that stays the same is none of it.
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
			cfg := loaded(t, w)
			reported := 0
			OnRefusedEnvironment(cfg, func() { reported++ })
			now := time.Now()
			cfg = OnClock(cfg, func() time.Time { return now })
			a := Account{}
			if c.role {
				a = Account{ID: theirs, RoleARN: role}
			}
			api := sts.NewFromConfig(a.Reach(Account{}.Reach(cfg)))
			call := func() error {
				_, err := api.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
				return err
			}
			if RefusedEverywhere(t.Context(), cfg) || reported != 0 {
				t.Fatalf("refused before it is, and reported %d times", reported)
			}
			w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
			for range 20 {
				if call() == nil {
					t.Fatal("accepted")
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
				t.Error("not refused by STS")
			}
		})
	}
}

// TestAForeignEnvironmentIsNotReported: AWS does not refuse another account's key.
func TestAForeignEnvironmentIsNotReported(t *testing.T) {
	w := world()
	nowhere(t)
	key := w.User(theirs, "flowkeeper", true)
	t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	cfg := loaded(t, w)
	OnRefusedEnvironment(cfg, func() { t.Error("reported") })
	f := connect(t, cfg, nil, Account{ID: ours})
	if err := try(t, f, ours, "eu-west-1"); err == nil {
		t.Error("a foreign key is used")
	}
}

// TestI13AfterAReload: what is loaded again is verified like what was there at
// the start, before it signs anything.
func TestI13AfterAReload(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	fleet := connect(t, loaded(t, w), nil)
	if err := try(t, fleet, ours, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	f.holds(w.User(theirs, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "AuthFailure", "")
	api, _ := fleet.EC2(inventory.Scope{Account: ours, Region: "eu-west-1"})
	_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	if wrong, ok := errors.AsType[*WrongAccountError](err); !ok || wrong.Have != theirs {
		t.Errorf("%v", err)
	}
}

// TestI13TheRightCredentialsAfterForeignOnes: whoever has put the key of another
// account there puts the right one there, and nothing has to be restarted: AWS does
// not refuse the foreign one.
func TestI13TheRightCredentialsAfterForeignOnes(t *testing.T) {
	w := world()
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	cfg := loaded(t, w)
	now := time.Now()
	sourceOf(cfg).pauses.now = func() time.Time { return now }
	fleet := connect(t, cfg, nil)
	f.holds(w.User(theirs, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "AuthFailure", "")
	api, _ := fleet.EC2(inventory.Scope{Account: ours, Region: "eu-west-1"})
	for range 10 {
		_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
		if _, wrong := errors.AsType[*WrongAccountError](err); !wrong {
			t.Fatalf("with a foreign key: %v", err)
		}
		now = now.Add(futilePauses.Most)
	}
	f.holds(w.User(ours, "flowkeeper", true))
	if _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}); err != nil {
		t.Errorf("with ours again: %v", err)
	}
	if n := len(w.Calls("DescribeFlowLogs")); n > 2 {
		t.Errorf("%d calls: one was signed with the foreign key", n)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	key, session := aws.Credentials{AccessKeyID: "AKIA"}, aws.Credentials{AccessKeyID: "ASIA", SessionToken: "t"}
	for _, c := range []struct {
		code, message string
		used          aws.Credentials
		want          bool
	}{
		{"AuthFailure", "AWS was not able to validate the provided access credentials", key, true},
		{"AuthFailure", "", aws.Credentials{}, false}, // signed with none of ours
		{"InvalidSignatureException", "Signature expired: 20260301T120000Z is now earlier than 20260301T121000Z", key, false},
		{"SignatureDoesNotMatch", "Signature not yet current", key, false},
		{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided", key, true},
		{"RequestExpired", "Request has expired.", key, false},
		{"RequestExpired", "Request has expired.", session, true},
		{"AccessDenied", "The security token included in the request is invalid", session, true},
		{"AccessDenied", "User: x is not authorized to perform: sqs:ReceiveMessage", session, false},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy", session, true},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy", key, false},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in a service control policy", session, false},
		{"RequestLimitExceeded", "", key, false},
	} {
		err := fmt.Errorf("call: %w", &smithy.GenericAPIError{Code: c.code, Message: c.message})
		if got := Refused(err, c.used); got != c.want {
			t.Errorf("%s %q: %v", c.code, c.message, got)
		}
	}
	if Refused(nil, key) || Refused(context.DeadlineExceeded, key) {
		t.Error("no answer is no refusal")
	}
}
