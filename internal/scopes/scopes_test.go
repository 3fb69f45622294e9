package scopes

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/goleak"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ours   = "111122223333"
	theirs = "222233334444"
	role   = "arn:aws:iam::222233334444:role/flowkeeper"
)

var silent = slog.New(slog.DiscardHandler)

func static(c fakeaws.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")
}

// base is an SDK configuration with the credentials of a user of our account.
func base(w *fakeawstest.World) aws.Config {
	return with(w, static(w.User(ours, "flowkeeper", true)))
}

func with(w *fakeawstest.World, c aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: "eu-west-1", HTTPClient: w.HTTPClient(), Credentials: c, RetryMaxAttempts: 1}
}

func connect(t *testing.T, cfg aws.Config, regions []string, accounts ...Account) *Fleet {
	t.Helper()
	f := NewFleet(cfg, regions, silent)
	if err := f.Connect(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	return f
}

// create makes a flow log in a scope.
func create(t *testing.T, f *Fleet, account, region string) error {
	t.Helper()
	api, ok := f.EC2(inventory.Scope{Account: account, Region: region})
	if !ok {
		t.Fatalf("no client of %s in %s: %v", account, region, f.Scopes())
	}
	out, err := api.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{"vpc-1"}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::b"),
	})
	if err == nil && len(out.Unsuccessful) > 0 {
		t.Fatal(aws.ToString(out.Unsuccessful[0].Error.Message))
	}
	return err
}

// list asks for the flow logs of an account in eu-west-1.
func list(t *testing.T, f *Fleet, account string) error {
	t.Helper()
	api, ok := f.EC2(inventory.Scope{Account: account, Region: "eu-west-1"})
	if !ok {
		t.Fatalf("no client of %s: %v", account, f.Scopes())
	}
	_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	return err
}

// identify asks STS whose the credentials of a configuration are.
func identify(t *testing.T, cfg aws.Config) error {
	_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	return err
}

func world() *fakeawstest.World {
	w := fakeawstest.New(fakeawstest.Options{})
	w.AddDestination("arn:aws:s3:::b")
	for _, account := range []string{ours, theirs} {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			w.AddResource(account, region, "vpc-1")
		}
	}
	return w
}

func TestOwnAccountAndRegionAreFoundOut(t *testing.T) {
	t.Parallel()
	w := world()
	f := connect(t, base(w), nil)
	if got := f.Scopes(); !slices.Equal(got, []inventory.Scope{{Account: ours, Region: "eu-west-1"}}) {
		t.Errorf("%v", got)
	}
	if err := create(t, f, ours, "eu-west-1"); err != nil {
		t.Error(err)
	}
	cfg := base(w)
	cfg.Region = ""
	if err := NewFleet(cfg, nil, silent).Connect(t.Context(), []Account{{ID: ours}}); err == nil || !strings.Contains(err.Error(), "aws.region") {
		t.Errorf("no Region: %v", err)
	}
}

func TestRoleWithExternalID(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "external")
	f := connect(t, base(w), []string{"us-east-1", "eu-west-1"}, Account{ID: ours}, Account{ID: theirs, RoleARN: role, ExternalID: "external"})
	if got := len(f.Scopes()); got != 4 {
		t.Errorf("%d scopes", got)
	}
	if err := create(t, f, theirs, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if c := w.Calls("CreateFlowLogs")[0]; c.Account != theirs || c.Region != "us-east-1" || !strings.Contains(c.ARN, "assumed-role/flowkeeper/flowkeeper") {
		t.Errorf("made by %+v", c)
	}
	wrong := connect(t, base(w), nil, Account{ID: theirs, RoleARN: role, ExternalID: "guessed"})
	if err := create(t, wrong, theirs, "eu-west-1"); err == nil || !strings.Contains(err.Error(), "AssumeRole") {
		t.Errorf("a wrong external ID: %v", err)
	}
}

// TestRenewal: the credentials of a role's session expire while the daemon runs, and are renewed.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := world()
	w.AddRole(role, "")
	w.SetRoleLifetime(time.Minute) // within the window in which they are renewed
	f := connect(t, base(w), nil, Account{ID: theirs, RoleARN: role})
	if err := create(t, f, theirs, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	if err := list(t, f, theirs); err != nil {
		t.Fatal(err)
	}
	w.SetRoleLifetime(time.Hour)
	if err := list(t, f, theirs); err != nil {
		t.Fatal(err)
	}
}

// TestI13WrongAccount: STS is asked to which account credentials belong before they sign any other call. Credentials of
// a wrong account sign none.
func TestI13WrongAccount(t *testing.T) {
	t.Parallel()
	w := world()
	f := connect(t, with(w, static(w.User(theirs, "flowkeeper", true))), nil, Account{ID: ours})
	err := create(t, f, ours, "eu-west-1")
	wrong, ok := errors.AsType[*WrongAccountError](err)
	if !ok || !wrong.WrongAccount() || wrong.Have != theirs || wrong.Want != ours {
		t.Error(err)
	}
	if n := len(w.Calls("")); n != 0 {
		t.Errorf("%d calls were signed with credentials of another account", n)
	}
}

// TestI13RotatedIntoAnotherAccount: the credentials are of our account at the start, and are replaced by those of
// another account. No call is signed with those.
func TestI13RotatedIntoAnotherAccount(t *testing.T) {
	t.Parallel()
	w := world()
	mine, other := w.User(ours, "flowkeeper", true), w.User(theirs, "flowkeeper", true)
	var swapped atomic.Bool
	f := connect(t, with(w, aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		if swapped.Load() {
			return static(other).Retrieve(ctx)
		}
		return static(mine).Retrieve(ctx)
	})), nil)
	if err := create(t, f, ours, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	swapped.Store(true)
	if err := create(t, f, ours, "eu-west-1"); err == nil {
		t.Error("a create was signed with the credentials of another account")
	}
	if n := len(w.Calls("CreateFlowLogs")); n != 1 {
		t.Errorf("%d creates, want 1", n)
	}
	swapped.Store(false)
	if err := list(t, f, ours); err != nil {
		t.Errorf("ours again: %v", err)
	}
}

// TestI13UnverifiedIsNotUsed: if STS does not say to which account credentials belong, they sign no call. The next call
// asks STS again.
func TestI13UnverifiedIsNotUsed(t *testing.T) {
	t.Parallel()
	w := world()
	f := connect(t, base(w), nil, Account{ID: ours})
	w.Fail("GetCallerIdentity", 1, "ServiceUnavailable", 503)
	if err := create(t, f, ours, "eu-west-1"); err == nil {
		t.Error("a create was signed with credentials whose account is not known")
	}
	if err := create(t, f, ours, "eu-west-1"); err != nil {
		t.Errorf("later: %v", err)
	}
}

// TestBrokenRoleHoldsUpNoOther: if a role can't be assumed, its account is taken to have the
// Regions of our own account. Only its scopes fail until the role works.
func TestBrokenRoleHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := world()
	f := connect(t, base(w), []string{AllRegions}, Account{ID: ours}, Account{ID: theirs, RoleARN: role})
	if n := len(f.Scopes()); n != 4 {
		t.Fatalf("%v", f.Scopes())
	}
	if err := create(t, f, ours, "us-east-1"); err != nil {
		t.Error(err)
	}
	if err := create(t, f, theirs, "us-east-1"); err == nil {
		t.Error("a create succeeded without a role")
	}
	w.AddRole(role, "")
	if err := create(t, f, theirs, "us-east-1"); err != nil {
		t.Errorf("the role is there now: %v", err)
	}
}

func TestPasses(t *testing.T) {
	t.Parallel()
	w := world()
	for code, c := range map[string]struct {
		status int
		passes bool
	}{
		"ServiceUnavailable": {503, true}, "InternalFailure": {500, true}, "Throttling": {400, true},
		"AccessDenied": {403, false}, "InvalidClientTokenId": {403, false},
	} {
		t.Run(code, func(t *testing.T) {
			w.Fail("GetCallerIdentity", 1, code, c.status)
			if err := NewFleet(base(w), nil, silent).Connect(t.Context(), nil); err == nil || Passes(err) != c.passes {
				t.Error(err)
			}
		})
	}
	nowhere := base(w)
	nowhere.HTTPClient, nowhere.BaseEndpoint = nil, aws.String("http://127.0.0.1:1")
	if err := NewFleet(nowhere, nil, silent).Connect(t.Context(), nil); err == nil || !Passes(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if Passes(errors.New("no credentials")) || Passes(io.EOF) {
		t.Error("an error that is not known to pass by itself counts as one that does")
	}
}

// TestBase: a configuration of Base has the given Region and endpoint, and the SDK's own messages go to the log.
func TestBase(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", EndpointURL: "http://127.0.0.1:1", Log: log, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	if err != nil || cfg.Region != "eu-west-1" || aws.ToString(cfg.BaseEndpoint) != "http://127.0.0.1:1" {
		t.Errorf("%+v %v", cfg, err)
	}
	if _, ok := cfg.HTTPClient.(plainBodies); !ok {
		t.Errorf("requests go through a %T", cfg.HTTPClient)
	}
	cfg.Logger.Logf(logging.Warn, "half of %d", 2)
	if !strings.Contains(text.String(), `"msg":"AWS SDK: half of 2"`) {
		t.Errorf("%q", text.String())
	}
}

// TestTheInstanceMetadataClientLogs: the SDK makes the client of the instance metadata service while it reads its
// settings. Messages of that client, such as that the service has no tokens, must go to the log too.
func TestTheInstanceMetadataClientLogs(t *testing.T) {
	imds := httptest.NewServer(http.NotFoundHandler())
	defer imds.Close()
	hideCredentials(t)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.URL)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg, err := Base(t.Context(), Options{Region: "eu-west-1", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil {
		t.Error("credentials from a metadata service that has none")
	}
	if !strings.Contains(text.String(), "IMDSv1") {
		t.Errorf("the log says %q", text.String())
	}
}

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
