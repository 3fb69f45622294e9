package smoke

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	account = "111122223333"
	here    = "eu-west-1"
	there   = "eu-north-1"
	bucket  = "arn:aws:s3:::flow-logs"
)

// stopper ends the run at one of its creates, whichever client makes it: before the answer, or right after it.
type stopper struct {
	EC2
	left     *int
	stop     func()
	answered bool
}

func (s stopper) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	out, err := s.EC2.CreateFlowLogs(ctx, in, o...)
	if *s.left--; *s.left == 0 {
		s.stop()
		if !s.answered {
			return nil, context.Canceled
		}
	}
	return out, err
}

func clientOf(w *fakeawstest.World, user, region string) *ec2.Client {
	c := w.User(account, user, true)
	return ec2.New(ec2.Options{Region: region, HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")})
}

// policies refuses what the fake's tag policy can't: the tag "denied", and creates without the tag "needed".
func policies(q *fakeaws.Request) fakeawstest.Refusal {
	var keys []string
	for name, values := range q.Form {
		if strings.HasPrefix(name, "Tag") && strings.HasSuffix(name, ".Key") {
			keys = append(keys, values...)
		}
	}
	if slices.Contains(keys, "denied") || q.Operation == "CreateFlowLogs" && !slices.Contains(keys, "needed") {
		return fakeawstest.Refusal{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation.", Status: http.StatusForbidden}
	}
	return fakeawstest.Refusal{}
}

// world is a fake AWS with everything that the questions need, and a flow log of somebody else.
func world(t *testing.T) (*fakeawstest.World, Options) {
	t.Helper()
	w := fakeawstest.New(fakeawstest.Options{})
	const role = "arn:aws:iam::111122223333:role/delivery"
	w.AddDestination(bucket)
	w.AddDeliveryRole(role)
	for _, id := range []string{"vpc-1", "subnet-1", "subnet-2"} {
		w.AddResource(account, here, id)
	}
	w.AddResource(account, there, "vpc-2")
	w.Configure(func(s *fakeawstest.EC2Settings) {
		s.TagPolicy = fakeawstest.TagPolicy{Allowed: map[string][]string{"owner": {"platform"}}}
	})
	w.Meet(policies)
	theirs := w.Plant(account, here, fakeaws.FlowLog{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket, Tags: maps.Clone(theirTags)})
	return w, Options{Run: "r1", VPC: "vpc-1", BucketARN: bucket, Resources: []string{"subnet-1", "subnet-2"}, LogGroup: "group", Role: role,
		OtherPrincipal: clientOf(w, "other", here), OtherRegion: clientOf(w, "person", there), OtherVPC: "vpc-2",
		BadTag: "owner=nobody", DeniedTag: "denied=x", NeededTag: "needed=x", TaggedFlowLog: theirs,
		Patience: 50 * time.Millisecond, Every: time.Millisecond, Say: t.Logf}
}

var theirTags = map[string]string{"owner": "nobody", "needed": "x"}

// checkLeft checks that the run has deleted all its flow logs, and that the flow log of somebody else is
// unchanged.
func checkLeft(t *testing.T, w *fakeawstest.World) {
	t.Helper()
	if left := w.FlowLogs(account, here); len(left) != 1 || left[0].LogDestination != bucket || !maps.Equal(left[0].Tags, theirTags) {
		t.Errorf("left: %+v", left)
	}
	if left := w.FlowLogs(account, there); len(left) != 0 {
		t.Errorf("left in the other Region: %+v", left)
	}
}

// TestTheFakeIsAsked: the fake AWS of this repository answers every question. The run leaves none of its flow
// logs behind, even if a person stops it at any of its creates, and changes nothing of somebody else's.
func TestTheFakeIsAsked(t *testing.T) {
	t.Parallel()
	for stopAt, creates := 0, 0; stopAt <= creates; stopAt++ {
		w, o := world(t)
		ctx, stop := context.WithCancel(t.Context())
		left := stopAt
		o.OtherPrincipal, o.OtherRegion = stopper{o.OtherPrincipal, &left, stop, false}, stopper{o.OtherRegion, &left, stop, false}
		rows, err := Ask(ctx, stopper{clientOf(w, "person", here), &left, stop, false}, o)
		stop()
		if stopped := stopAt > 0; stopped && !errors.Is(err, context.Canceled) || !stopped && err != nil {
			t.Errorf("stopped at create %d: got %d rows and the error %v", stopAt, len(rows), err)
		}
		checkLeft(t, w)
		if t.Failed() {
			t.Fatalf("stopped at create %d", stopAt)
		}
		if stopAt == 0 {
			creates = len(w.Calls("CreateFlowLogs"))
			checkAnswers(t, rows)
			checkPlan(t, w)
		}
	}
}

// TestWhatIsNotShownIsDeleted: a person stops the run after a create whose flow log DescribeFlowLogs does not
// show yet. The run still deletes it.
func TestWhatIsNotShownIsDeleted(t *testing.T) {
	t.Parallel()
	for stopAt := 1; stopAt < 10; stopAt++ {
		w, o := world(t)
		w.SetConsistencyDelay(time.Hour)
		o.Patience = time.Millisecond
		ctx, stop := context.WithCancel(t.Context())
		left := stopAt
		o.OtherPrincipal, o.OtherRegion = stopper{o.OtherPrincipal, &left, stop, true}, stopper{o.OtherRegion, &left, stop, true}
		if _, err := Ask(ctx, stopper{clientOf(w, "person", here), &left, stop, true}, o); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at create %d: %v", stopAt, err)
		}
		stop()
		checkLeft(t, w)
	}
}

// unknowing is an EC2 client whose first DeleteFlowLogs call answers that the flow logs do not exist.
type unknowing struct {
	EC2
	calls int
}

func (u *unknowing) DeleteFlowLogs(ctx context.Context, in *ec2.DeleteFlowLogsInput, o ...func(*ec2.Options)) (*ec2.DeleteFlowLogsOutput, error) {
	if u.calls++; u.calls > 1 {
		return u.EC2.DeleteFlowLogs(ctx, in, o...)
	}
	out := &ec2.DeleteFlowLogsOutput{}
	for _, id := range in.FlowLogIds {
		out.Unsuccessful = append(out.Unsuccessful, types.UnsuccessfulItem{ResourceId: &id})
	}
	return out, nil
}

// TestWhatCantBeDeletedYetIsDeleted: DeleteFlowLogs answers that a new flow log does not exist, and
// DescribeFlowLogs does not show it yet. The run still deletes it.
func TestWhatCantBeDeletedYetIsDeleted(t *testing.T) {
	t.Parallel()
	w, o := world(t)
	w.SetConsistencyDelay(time.Hour)
	o.Patience = time.Millisecond
	if _, err := Ask(t.Context(), &unknowing{EC2: clientOf(w, "person", here)}, o); err != nil {
		t.Error(err)
	}
	checkLeft(t, w)
}

// checkAnswers checks that each question has one row, with the behaviour of the fake.
func checkAnswers(t *testing.T, rows []Row) {
	t.Helper()
	const (
		policy = `the call fails: TagPolicyViolation "The tag policy does not allow the specified value for the following tag key: 'owner'."`
		denied = `the call fails: UnauthorizedOperation "You are not authorized to perform this operation."`
		dry    = `the call fails: DryRunOperation`
		exists = `FlowLogAlreadyExists`
	)
	want := map[string]string{
		"a dry run of its restore":                                                                     dry,
		"its restore":                                                                                  "equivalent; tags",
		"the same call with the same token":                                                            "the same flow log",
		"the same call with another token":                                                             exists,
		"the same token with other parameters":                                                         "IdempotentParameterMismatch",
		"a token after its flow log was deleted, same parameters":                                      "the same ID, which is never described",
		"a token after its flow log was deleted, other parameters":                                     "IdempotentParameterMismatch",
		"a token that another principal of the account has used, same parameters":                      "the same flow log",
		"a token that another principal of the account has used, other parameters":                     "IdempotentParameterMismatch",
		"a token that was used in another Region":                                                      "1 made",
		"REJECT and ACCEPT to one S3 prefix":                                                           exists,
		"another format to one S3 prefix":                                                              exists,
		"REJECT and ACCEPT to one log group":                                                           exists,
		"another format to one log group":                                                              exists,
		"FlowLogIds of several resources":                                                              "in the order of the resources",
		"the same call for several, again":                                                             "the same flow log",
		"one of several exists already":                                                                exists,
		"one of several exists already, the same call again":                                           exists,
		"one of several does not exist":                                                                "NotFound",
		"one of several does not exist, the same call again":                                           "NotFound",
		"then the other alone, with the same token":                                                    "1 made",
		"a bucket that does not exist, a dry run":                                                      dry,
		"a bucket that does not exist":                                                                 "0 made; item vpc-1: 400",
		"a bucket that does not exist, for several":                                                    "0 made; item subnet-1: 400",
		"how long until a new flow log can be tagged":                                                  "s",
		"CreateTags of two":                                                                            taken,
		"CreateTags of two, of which one was deleted":                                                  "NotFound",
		"DeleteFlowLogs of two, of which one was deleted":                                              "done; item fl-",
		"a tag that a tag policy refuses, a dry run":                                                   dry,
		"a tag that a tag policy refuses":                                                              policy,
		"a tag that a tag policy refuses, for several":                                                 policy,
		"a tag that a tag policy refuses, CreateTags of two":                                           policy,
		"the refused tag on a flow log that has had it since before, a dry run of its restore":         dry,
		"the refused tag on a flow log that has had it since before, CreateTags of the same tag again": policy,
		"a tag that an SCP or IAM denies, a dry run":                                                   denied,
		"a tag that an SCP or IAM denies":                                                              denied,
		"a tag that an SCP or IAM denies, for several":                                                 denied,
		"a tag that an SCP or IAM denies, CreateTags of two":                                           denied,
		"without a tag that a policy demands, a dry run":                                               denied,
		"without a tag that a policy demands":                                                          denied,
		"without a tag that a policy demands, for several":                                             denied,
		"how long until a new flow log is described":                                                   ", of ",
		"how long until a deleted one is not described":                                                ", of ",
	}
	for _, x := range rows {
		if answer, asked := want[x.Question]; !asked || !strings.Contains(x.Answer, answer) {
			t.Errorf("%q is answered %q, want %q", x.Question, x.Answer, answer)
		}
		delete(want, x.Question)
	}
	for question := range want {
		t.Errorf("not asked: %q", question)
	}
	if text := Table(rows); !strings.Contains(text, "| its restore | equivalent") {
		t.Errorf("the table:\n%s", text)
	}
}

// checkPlan checks that a run makes no more flow logs than its plan says, even if AWS refuses nothing, and that
// the other principal and the other Region make some of them.
func checkPlan(t *testing.T, w *fakeawstest.World) {
	t.Helper()
	most, seen := 0, map[string]bool{}
	for _, c := range w.Calls("CreateFlowLogs") {
		seen[c.Region], seen[c.ARN] = true, true
		for name := range c.Form {
			if !c.DryRun && strings.HasPrefix(name, "ResourceId.") {
				most++
			}
		}
	}
	if !seen[there] || !seen["arn:aws:iam::"+account+":user/other"] {
		t.Errorf("creates by Region and principal are %v, want some by the other principal and in the other Region", seen)
	}
	if want := "up to " + strconv.Itoa(most) + " flow logs"; !strings.Contains(Options{}.Plan(), want) {
		t.Errorf("the plan does not say %q", want)
	}
}

// TestNothingIsLeftAfterFailures: the run deletes all its flow logs even if calls fail and answers are lost.
func TestNothingIsLeftAfterFailures(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w, o := world(t)
		w.Chaos(seed, fakeawstest.Odds{Throttled: 0.1, Failed: 0.1, Lost: 0.1})
		if _, err := Ask(t.Context(), clientOf(w, "person", here), o); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		checkLeft(t, w)
	}
}

// TestWhatIsNotAsked: the row of a question that is not asked says which variable it needs, and the
// documentation has each variable.
func TestWhatIsNotAsked(t *testing.T) {
	t.Parallel()
	w := fakeawstest.New(fakeawstest.Options{})
	w.AddDestination(bucket)
	w.AddResource(account, here, "vpc-1")
	rows, err := Ask(t.Context(), clientOf(w, "person", here), Options{Run: "r1", VPC: "vpc-1", BucketARN: bucket,
		Patience: 50 * time.Millisecond, Every: time.Millisecond, Say: t.Logf})
	if left := w.FlowLogs(account, here); err != nil || len(left) > 0 {
		t.Errorf("%v, left: %+v", err, left)
	}
	name := regexp.MustCompile(`FLOWKEEPER_SMOKE_[A-Z_]+`)
	var advised string
	for _, x := range rows {
		if strings.HasPrefix(x.Answer, "not asked: set ") {
			advised += x.Answer + " "
		}
	}
	code, err := os.ReadFile("aws_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	read, documented := names(name, string(code)), names(name, string(page))
	if required := []string{"FLOWKEEPER_SMOKE_BUCKET_ARN", "FLOWKEEPER_SMOKE_VPC"}; !slices.Equal(read, documented) || !slices.Equal(read, names(name, advised+strings.Join(required, " "))) {
		t.Errorf("read:       %v\ndocumented: %v\nadvised:    %s", read, documented, advised)
	}
}

func names(name *regexp.Regexp, text string) []string {
	found := name.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
