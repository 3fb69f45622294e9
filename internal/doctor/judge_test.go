package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	trails "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
)

// TestSamplesMeanWhatTheySay: package detection finds in each sample the kind that its name says. Otherwise a pattern
// could match all samples and still miss the records that matter.
func TestSamplesMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	want := []detection.Kind{detection.Deleted, detection.Attempted, detection.Rehearsed, detection.Created, detection.TornDown, detection.Tampered}
	all := samples(scope, time.Now())
	if len(all) != len(want) {
		t.Fatalf("%d samples, want %d", len(all), len(want))
	}
	for n, s := range all {
		var envelope struct{ Detail json.RawMessage }
		if err := json.Unmarshal([]byte(s.body), &envelope); err != nil {
			t.Fatal(err)
		}
		r, err := cloudtrail.Decode(envelope.Detail)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		f, _ := detection.Judge(r)
		if f.Kind != want[n] || f.Record.Account != scope.Account || f.Record.Region != scope.Region {
			t.Errorf("%s is %+v, want %v", s.name, f, want[n])
		}
	}
}

func TestTrails(t *testing.T) {
	t.Parallel()
	field := func(name string, equals, not []string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: &name, Equals: equals, NotEquals: not}
	}
	management := field("eventCategory", []string{"Management"}, nil)
	advanced := func(fields ...types.AdvancedFieldSelector) []types.AdvancedEventSelector {
		return []types.AdvancedEventSelector{{FieldSelectors: []types.AdvancedFieldSelector{field("eventCategory", []string{"Data"}, nil)}}, {FieldSelectors: fields}}
	}
	good := trail{arn: "arn:aws:cloudtrail:eu-west-1:1:trail/t", home: "eu-west-1", logging: true}
	with := func(change func(*trail)) []trail { t := good; change(&t); return []trail{t} }
	for name, c := range map[string]struct {
		all  []trail
		want Status
	}{
		"none":                                   {nil, Fail},
		"at home":                                {with(func(*trail) {}), OK},
		"that does not log":                      {with(func(t *trail) { t.logging = false }), Fail},
		"one that logs, and one that does not":   {append(with(func(t *trail) { t.logging = false }), good), OK},
		"with a failing bucket":                  {with(func(t *trail) { t.deliveryError = "AccessDenied" }), Warn},
		"that can't be asked":                    {with(func(t *trail) { t.unknown = finding{status: Unknown} }), Unknown},
		"one unknown, and one that does not log": {append(with(func(t *trail) { t.logging = false }), with(func(t *trail) { t.unknown = finding{status: Unknown} })...), Unknown},
		"reads only":                             {with(func(t *trail) { t.basic = []types.EventSelector{{ReadWriteType: "ReadOnly"}} }), Fail},
		"writes only":                            {with(func(t *trail) { t.basic = []types.EventSelector{{ReadWriteType: "WriteOnly"}} }), OK},
		"data only":                              {with(func(t *trail) { t.basic = []types.EventSelector{{IncludeManagementEvents: aws.Bool(false)}} }), Fail},
		"without KMS": {with(func(t *trail) {
			t.basic = []types.EventSelector{{ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}
		}), OK},
		"advanced: management": {with(func(t *trail) { t.advanced = advanced(management) }), OK},
		"advanced: writes":     {with(func(t *trail) { t.advanced = advanced(management, field("readOnly", []string{"false"}, nil)) }), OK},
		"advanced: reads":      {with(func(t *trail) { t.advanced = advanced(management, field("readOnly", []string{"true"}, nil)) }), Fail},
		"advanced: not KMS": {with(func(t *trail) {
			t.advanced = advanced(management, field("eventSource", nil, []string{"kms.amazonaws.com"}))
		}), OK},
		"advanced: not EC2": {with(func(t *trail) {
			t.advanced = advanced(management, field("eventSource", nil, []string{"ec2.amazonaws.com"}))
		}), Fail},
		"advanced: one event":           {with(func(t *trail) { t.advanced = advanced(management, field("eventName", []string{"DeleteFlowLogs"}, nil)) }), Unknown},
		"advanced: data":                {with(func(t *trail) { t.advanced = advanced(field("eventCategory", []string{"Data"}, nil)) }), Fail},
		"advanced: by an unknown field": {with(func(t *trail) { t.advanced = advanced(management, field("weather", []string{"rain"}, nil)) }), Unknown},
		"advanced: by the end of the event name": {with(func(t *trail) {
			t.advanced = advanced(management, types.AdvancedFieldSelector{Field: aws.String("eventName"), EndsWith: []string{"FlowLogs"}})
		}), Unknown},
		"advanced: data, by an unknown field": {with(func(t *trail) {
			t.advanced = advanced(field("resources.type", []string{"AWS::S3::Object"}, nil), field("eventCategory", []string{"Data"}, nil))
		}), Fail},
		"advanced: each event by a selector of its own": {with(func(t *trail) {
			t.advanced = append(advanced(management, field("eventName", []string{"DeleteFlowLogs"}, nil)), advanced(management, field("eventName", []string{"CreateFlowLogs"}, nil))...)
		}), Unknown},
		"advanced: one event, the other by an unknown field": {with(func(t *trail) {
			t.advanced = append(advanced(management, field("eventName", []string{"DeleteFlowLogs"}, nil)), advanced(management, field("weather", []string{"rain"}, nil))...)
		}), Unknown},
		"advanced: not EC2, by an unknown field": {with(func(t *trail) {
			t.advanced = advanced(management, field("weather", []string{"rain"}, nil), field("eventSource", nil, []string{"ec2.amazonaws.com"}))
		}), Fail},
		"one with a failing bucket, and a good one":     {append(with(func(t *trail) { t.deliveryError = "AccessDenied" }), good), OK},
		"one with a failing bucket, and an unknown one": {append(with(func(t *trail) { t.unknown = finding{status: Unknown} }), with(func(t *trail) { t.deliveryError = "AccessDenied" })...), Warn},
	} {
		t.Run(name, func(t *testing.T) {
			if f := judgeTrails("eu-west-1", c.all); f.status != c.want {
				t.Errorf("%+v, want %s", f, c.want)
			}
		})
	}
}

// fakeTrails is a CloudTrail with trails of which only some log. Their event selectors are empty: all management
// events.
type fakeTrails struct {
	list    []types.Trail
	logging map[string]bool
	asked   *int // how often GetTrailStatus was called
}

func (f fakeTrails) DescribeTrails(context.Context, *trails.DescribeTrailsInput, ...func(*trails.Options)) (*trails.DescribeTrailsOutput, error) {
	return &trails.DescribeTrailsOutput{TrailList: f.list}, nil
}

func (f fakeTrails) GetTrailStatus(_ context.Context, in *trails.GetTrailStatusInput, _ ...func(*trails.Options)) (*trails.GetTrailStatusOutput, error) {
	*f.asked++
	return &trails.GetTrailStatusOutput{IsLogging: aws.Bool(f.logging[*in.Name])}, nil
}

func (f fakeTrails) GetEventSelectors(context.Context, *trails.GetEventSelectorsInput, ...func(*trails.Options)) (*trails.GetEventSelectorsOutput, error) {
	return &trails.GetEventSelectorsOutput{}, nil
}

// TestTrailsOfARegion: the doctor asks only about trails that cover the Region, and about maxTrails at most. If none of
// these logs and there are more, one of the others may log, so the result is unknown.
func TestTrailsOfARegion(t *testing.T) {
	t.Parallel()
	of := func(n int, home string, everywhere bool) (out []types.Trail) {
		for range n {
			out = append(out, types.Trail{TrailARN: aws.String(home), HomeRegion: &home, IsMultiRegionTrail: &everywhere})
		}
		return out
	}
	for name, c := range map[string]struct {
		list  []types.Trail
		want  Status
		asked int
	}{
		"of another Region":               {of(1, "us-east-1", false), Fail, 0},
		"of every Region":                 {of(1, "us-east-1", true), OK, 1},
		"behind many of another Region":   {append(of(maxTrails, "us-east-1", false), of(1, "eu-west-1", false)...), OK, 1},
		"as many as are asked about":      {of(maxTrails, "off", true), Fail, maxTrails},
		"more than are asked about":       {of(maxTrails+2, "off", true), Unknown, maxTrails},
		"more than are asked about, good": {append(of(1, "eu-west-1", false), of(maxTrails, "off", true)...), OK, maxTrails},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			all, err := askTrails(t.Context(), fakeTrails{c.list, map[string]bool{"us-east-1": true, "eu-west-1": true}, &asked}, "eu-west-1")
			if f := judgeTrails("eu-west-1", all); err != nil || f.status != c.want || asked != c.asked {
				t.Errorf("%+v after %d calls, %v; want %s after %d", f, asked, err, c.want, c.asked)
			}
		})
	}
}

func TestScopesThatAreNotConfigured(t *testing.T) {
	t.Parallel()
	at := func(account, region string) inventory.Scope { return inventory.Scope{Account: account, Region: region} }
	protected := map[inventory.Scope]int{at("111122223333", "eu-west-1"): 3, at("111122223333", "us-west-2"): 2, at("222233334444", "eu-west-1"): 1}
	m := &machine{names: func() map[string]string { return map[string]string{"222233334444": "payments"} }}
	for _, c := range []struct {
		name     string
		subjects []*subject
		want     string
	}{
		{"all scopes are configured", []*subject{{scope: at("111122223333", "eu-west-1")}, {scope: at("111122223333", "us-west-2")}, {scope: at("222233334444", "eu-west-1")}}, ""},
		{"a Region is not configured", []*subject{{scope: at("111122223333", "eu-west-1")}, {scope: at("222233334444", "eu-west-1")}}, "2 of 111122223333 us-west-2"},
		{"a Region and an account are not configured", []*subject{{scope: at("111122223333", "eu-west-1")}}, "2 of 111122223333 us-west-2, 1 of payments (222233334444) eu-west-1"},
		{"the account of the credentials is unknown", []*subject{{scope: at("", "eu-west-1")}}, ""},
		{"the Regions of the account are unknown", []*subject{{scope: at("111122223333", "eu-west-1"), regionsErr: errors.New("no")}}, "1 of payments (222233334444) eu-west-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(unwatched(protected, c.subjects, m.named), ", "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestJudgements(t *testing.T) {
	t.Parallel()
	redrive := func(count string) finding {
		_, f := judgeRedrive(`{"deadLetterTargetArn":"` + queueARN + `-dead","maxReceiveCount":` + count + `}`)
		return f
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    finding
		want Status
	}{
		"clock":                 {judgeClock(-30 * time.Second), OK},
		"clock behind":          {judgeClock(-31 * time.Second), Warn},
		"clock ahead":           {judgeClock(301 * time.Second), Fail},
		"no room":               {judgeSpace("/", 1<<20), Fail},
		"little room":           {judgeSpace("/", 100<<20), Warn},
		"room":                  {judgeSpace("/", 1<<30), OK},
		"kept an hour":          {judgeRetention(time.Hour), Fail},
		"kept two days":         {judgeRetention(48 * time.Hour), Warn},
		"kept four days":        {judgeRetention(96 * time.Hour), OK},
		"two receives":          {redrive("2"), Fail},
		"nine receives":         {redrive(`"9"`), Warn},
		"ten receives":          {redrive(`"10"`), OK},
		"no number of receives": {redrive(`{}`), Unknown},
		"no key":                {judgeKey("", true, "eu-west-1"), OK},
		"AWS's key":             {judgeKey("arn:aws:kms:eu-west-1:111122223333:alias/aws/sqs", false, "eu-west-1"), Fail},
		"own key":               {judgeKey("alias/ours", false, "eu-west-1"), Unknown},
		"no refresh":            {judgeRefresh("@every 5m", time.Time{}, now), Warn},
		"late refresh":          {judgeRefresh("@every 5m", now.Add(-12*time.Minute-time.Second), now), Warn},
		"refresh":               {judgeRefresh("@every 5m", now.Add(-12*time.Minute), now), OK},
	} {
		t.Run(name, func(t *testing.T) {
			if c.f.status != c.want || c.f.detail == "" {
				t.Errorf("%+v, want %s", c.f, c.want)
			}
		})
	}
}

func TestWhatAWSLacks(t *testing.T) {
	t.Parallel()
	if got := answer.DeniedAction("User: x is not authorized to perform: iam:PassRole on resource: y"); got != "iam:PassRole" {
		t.Error(got)
	}
	if got := answer.DeniedAction("You are not authorized to perform this operation."); got != "" {
		t.Error(got)
	}
	if got := actionIn(`{"allowed":false,"explicitDeny":true,"context":{"action":"ec2:CreateTags","resource":"x"}}`); got != "ec2:CreateTags" {
		t.Error(got)
	}
	r := trial{raw: "You are not authorized. Encoded authorization failure message: " + strings.Repeat("A", 2000)}
	if got := r.fix(&subject{}); !strings.HasSuffix(got, "--encoded-message "+strings.Repeat("A", 2000)) {
		t.Errorf("the message to decode is cut: %s", got)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"AccessDenied: no":  fmt.Errorf("operation error: %w", &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}),
		"no answer in time": fmt.Errorf("canceled: %w", context.DeadlineExceeded),
		"there are no credentials: none in the environment, no profile, no instance role": errors.New("get credentials: no EC2 IMDS role found"),
		`a\x1b[2Jb`: errors.New("a\x1b[2Jb"),
	} {
		t.Run(fmt.Sprintf("%q", want), func(t *testing.T) {
			t.Parallel()
			if got := errorText(err); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	if f := unanswered(&smithy.OperationError{ServiceID: "EventBridge", OperationName: "ListRules", Err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}); f.status != Unknown || f.fix != "allow events:ListRules (deploy/iam-policy-doctor.json)" {
		t.Errorf("%+v", f)
	}
}

// fakeIAM is an IAM with two pages of users and one of roles. decide answers its policy simulator; a nil mfa: the
// request has no aws:MultiFactorAuthPresent.
type fakeIAM struct {
	t      *testing.T
	decide func(principal string, mfa *bool) (iamtypes.EvaluationResult, error)
}

func (f fakeIAM) ListUsers(_ context.Context, in *iam.ListUsersInput, _ ...func(*iam.Options)) (*iam.ListUsersOutput, error) {
	if in.Marker == nil {
		return &iam.ListUsersOutput{IsTruncated: true, Marker: aws.String("2"), Users: []iamtypes.User{{Arn: aws.String("arn:aws:iam::1:user/a")}}}, nil
	}
	return &iam.ListUsersOutput{Users: []iamtypes.User{{Arn: aws.String("arn:aws:iam::1:user/b")}}}, nil
}

func (f fakeIAM) ListRoles(context.Context, *iam.ListRolesInput, ...func(*iam.Options)) (*iam.ListRolesOutput, error) {
	return &iam.ListRolesOutput{Roles: []iamtypes.Role{
		{Arn: aws.String("arn:aws:iam::1:role/aws-service-role/x/y"), Path: aws.String("/aws-service-role/x/")},
		{Arn: aws.String("arn:aws:iam::1:role/admin"), Path: aws.String("/")},
	}}, nil
}

func (f fakeIAM) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	if len(in.ActionNames) != 1 || in.ActionNames[0] != "ec2:DeleteFlowLogs" || len(in.ResourceArns) != 1 {
		f.t.Errorf("the simulator is asked %+v", in)
	}
	var mfa *bool
	for _, c := range in.ContextEntries {
		if *c.ContextKeyName != mfaKey {
			continue
		}
		if c.ContextKeyType != iamtypes.ContextKeyTypeEnumBoolean {
			f.t.Errorf("%+v", c)
		}
		v := c.ContextKeyValues[0] == "true"
		mfa = &v
	}
	r, err := f.decide(*in.PolicySourceArn, mfa)
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{r}}, err
}

// TestReview: a policy that denies requests without MFA may still allow those with a user's access key, which do not
// report MFA. The review must show such a user. It must also say whom it could not ask about.
func TestReview(t *testing.T) {
	t.Parallel()
	statement := iamtypes.Statement{SourcePolicyId: aws.String("PowerUsers"), SourcePolicyType: "IAM Policy", StartPosition: &iamtypes.Position{Line: 7, Column: 3}}
	api := fakeIAM{t, func(principal string, mfa *bool) (r iamtypes.EvaluationResult, err error) {
		r.EvalDecision = iamtypes.PolicyEvaluationDecisionTypeImplicitDeny
		switch {
		case principal == "arn:aws:iam::1:role/admin":
			return r, &smithy.OperationError{ServiceID: iam.ServiceID, OperationName: "SimulatePrincipalPolicy", Err: &smithy.GenericAPIError{Code: "Throttling"}}
		case principal == "arn:aws:iam::1:user/b": // deleted since it was listed
			return r, &smithy.GenericAPIError{Code: "NoSuchEntity"}
		case principal == "arn:aws:iam::1:user/a" && mfa != nil && !*mfa:
			r.EvalDecision = iamtypes.PolicyEvaluationDecisionTypeExplicitDeny
		case principal == "arn:aws:iam::1:user/a":
			r.EvalDecision, r.MatchedStatements = iamtypes.PolicyEvaluationDecisionTypeAllowed, []iamtypes.Statement{statement}
			r.MissingContextValues = []string{"aws:SourceIp", mfaKey, "iam:PassedToService"}
		}
		return r, nil
	}}
	r := review(t.Context(), api, "1", []target{{"eu-west-1", "arn:aws:ec2:eu-west-1:1:vpc-flow-log/fl-1"}}, func() {})
	if r.Asked != 1 || r.Unasked != 1 || r.Skipped != 1 || len(r.May) != 1 || !strings.Contains(r.Why(), "1 principal could not be asked about: can't tell, because iam:SimulatePrincipalPolicy was answered with Throttling") {
		t.Fatalf("%+v", r)
	}
	m := r.May[0]
	if m.ARN != "arn:aws:iam::1:user/a" || !m.WithMFA || m.WithoutMFA || m.AccessKey == nil || !*m.AccessKey {
		t.Errorf("%+v", m)
	}
	if len(m.Statements) != 1 || m.Statements[0].String() != "PowerUsers line 7" || len(m.Unknown) != 1 || m.Unknown[0] != "aws:SourceIp" {
		t.Errorf("%+v", m)
	}
}

// TestNoPackageDeletes: no package except the demo and the tests calls DeleteFlowLogs. The doctor asks IAM whether the
// call is allowed, and never tries it.
func TestNoPackageDeletes(t *testing.T) {
	t.Parallel()
	root, found := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if !strings.Contains(string(text), ".DeleteFlowLogs(") {
			return err
		}
		found++
		if rel, _ := filepath.Rel(root, path); !strings.HasPrefix(rel, filepath.Join("internal", "demo")) && !strings.HasPrefix(rel, "test") { // both are relative
			t.Errorf("%s calls DeleteFlowLogs", rel)
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d files call DeleteFlowLogs, want those of the demo and the tests: %v", found, err)
	}
}

// TestAnswersAreAskedForOnce: all callers get the answer to the first call, also if it is an error.
func TestAnswersAreAskedForOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	ask := once(t.Context(), func(ctx context.Context) (int, error) {
		if until, is := ctx.Deadline(); !is || time.Until(until) < oneCheck/2 {
			t.Errorf("the deadline is %v, want at least %s from now", until, oneCheck/2)
		}
		asked++
		return asked, fs.ErrNotExist
	})
	for range 2 {
		if n, err := ask(); n != 1 || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// TestResultsAreClean: JSON escapes control characters, but jq prints them as they were. So the texts of a result have
// none: they would control a terminal.
func TestResultsAreClean(t *testing.T) {
	t.Parallel()
	r := finding{Warn, "a\x1b[2Jb", "aws \u202e" + strings.Repeat("x", 20000)}.at(Check{ID: "queue"}, inventory.Scope{})
	if r.Detail != `a\x1b[2Jb` || r.Fix != `aws \u202e`+strings.Repeat("x", 20000) {
		t.Errorf("%+v", r)
	}
}
