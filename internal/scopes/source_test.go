package scopes

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

// hideCredentials hides this machine's own credentials from the SDK.
func hideCredentials(t *testing.T) {
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
	hideCredentials(t)
	f := file{t, filepath.Join(t.TempDir(), "credentials")}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", f.path)
	f.write(c)
	return f
}

func (f file) write(c fakeaws.Credentials) {
	f.t.Helper()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", c.AccessKeyID, c.SecretAccessKey)
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// loaded returns the configuration of the SDK, with the credentials that it finds; a nil log logs nothing.
func loaded(t *testing.T, w *fakeawstest.World, log *slog.Logger) aws.Config {
	t.Helper()
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = w.HTTPClient()
	return cfg
}

// services has a call to each service that the daemon uses, except EC2.
func services(t *testing.T, queue string) map[string]func(aws.Config) error {
	return map[string]func(aws.Config) error{
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
		"sts": func(cfg aws.Config) error { return identify(t, cfg) },
	}
}

func stage() (w *fakeawstest.World, queue string) {
	w = world()
	queue, _ = w.CreateQueue(ours, "eu-west-1", "flowkeeper", nil)
	w.AddBucket("eu-west-1", "copies")
	w.CreateTopic(ours, "eu-west-1", "alerts")
	return w, queue
}

// TestRotatedSharedFileIsReadAgain: at the first refusal by any service, the shared credentials file is read again, and
// from then on every client signs with the new key.
func TestRotatedSharedFileIsReadAgain(t *testing.T) {
	for _, code := range []string{"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
		"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidAccessKeyId"} {
		t.Run(code, func(t *testing.T) {
			w, queue := stage()
			old := w.User(ours, "flowkeeper", true)
			f := newFile(t, old)
			cfg := loaded(t, w, nil)
			fleet := connect(t, cfg, nil)
			callAll := func() error {
				err := list(t, fleet, ours)
				for _, call := range services(t, queue) {
					err = errors.Join(err, call(cfg))
				}
				return err
			}
			if err := callAll(); err != nil {
				t.Fatal(err)
			}
			f.write(w.User(ours, "flowkeeper", true))
			w.RefuseKey(old.AccessKeyID, code, "")
			for range 10 {
				if err := callAll(); err != nil {
					t.Fatalf("after the rotation: %v", err)
				}
			}
			if n := w.RefusedCalls(old.AccessKeyID); n != 1 {
				t.Errorf("%d calls with the old key after the rotation, want 1", n)
			}
		})
	}
}

// TestEachServiceNoticesARotation: the client of each service reads the file again when its own call is refused, and
// repeats the call with the whole body.
func TestEachServiceNoticesARotation(t *testing.T) {
	w, queue := stage()
	key := w.User(ours, "flowkeeper", true)
	f := newFile(t, key)
	for service, call := range services(t, queue) {
		cfg := loaded(t, w, nil)
		if err := call(cfg); err != nil {
			t.Fatal(service, err)
		}
		next := w.User(ours, "flowkeeper", true)
		f.write(next)
		w.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "The security token included in the request is invalid.")
		if err := call(cfg); err != nil {
			t.Errorf("%s: %v", service, err)
		}
		key = next
	}
}

// TestRevokedSessionIsAssumedAgain: if AWS refuses the session of a role, because somebody has revoked the sessions,
// the role is assumed again.
func TestRevokedSessionIsAssumedAgain(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	f := connect(t, base(w), nil, Account{ID: theirs, RoleARN: role})
	if err := create(t, f, theirs, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	keys := w.RevokeSessions(role)
	if err := list(t, f, theirs); err != nil {
		t.Errorf("after the sessions were revoked: %v", err)
	}
	if n := w.RefusedCalls(keys[0]); len(keys) != 1 || n != 1 {
		t.Errorf("%d calls with %d revoked sessions, want 1 with 1", n, len(keys))
	}
}

// TestARolesOwnSourceIsRotated: the key with which a role is assumed is rotated. The next session is assumed with the
// new key.
func TestARolesOwnSourceIsRotated(t *testing.T) {
	w := world()
	w.AddRole(role, "")
	w.SetRoleLifetime(time.Minute) // each call renews the session
	old := w.User(ours, "flowkeeper", true)
	f := newFile(t, old)
	fleet := connect(t, loaded(t, w, nil), nil, Account{ID: theirs, RoleARN: role})
	if err := create(t, fleet, theirs, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	f.write(w.User(ours, "flowkeeper", true))
	w.RefuseKey(old.AccessKeyID, "InvalidClientTokenId", "")
	w.RevokeSessions(role)
	for range 3 {
		if err := list(t, fleet, theirs); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.RefusedCalls(old.AccessKeyID); n != 1 {
		t.Errorf("%d calls with the old key after the rotation, want 1", n)
	}
}

// TestCredentialsThatComeLaterAreFound: the credentials file does not exist at the start. When it is there, it is read
// without a restart.
func TestCredentialsThatComeLaterAreFound(t *testing.T) {
	w := world()
	c := w.User(ours, "flowkeeper", true)
	f := newFile(t, c)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	cfg := loaded(t, w, nil)
	s := sourceOf(cfg)
	now := time.Now()
	s.pauses.now = func() time.Time { return now }
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil {
		t.Fatal("credentials without a file")
	}
	f.write(c)
	now = now.Add(time.Minute)
	if got, err := cfg.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != c.AccessKeyID {
		t.Errorf("%v", err)
	}
}

// TestInstanceAndContainerCredentialsAreAskedForAgain: if AWS refuses credentials of an instance role or of a
// container, the metadata service is asked for new ones, although the old ones have not expired by their own time.
func TestInstanceAndContainerCredentialsAreAskedForAgain(t *testing.T) {
	for _, kind := range []string{"instance", "container"} {
		t.Run(kind, func(t *testing.T) {
			hideCredentials(t)
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
			cfg := loaded(t, w, nil)
			if err := identify(t, cfg); err != nil {
				t.Fatal(err)
			}
			current.Store(w.User(ours, "flowkeeper", true).AccessKeyID)
			w.RefuseKey(old.AccessKeyID, "ExpiredToken", "The security token included in the request is expired")
			if err := identify(t, cfg); err != nil {
				t.Error(err)
			}
		})
	}
}
