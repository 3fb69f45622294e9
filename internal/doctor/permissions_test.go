package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// recorder is a policy simulator that allows all actions but some, and records what it is asked.
type recorder struct {
	denied []string
	asked  *[]string
}

func (n recorder) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	q := in.ActionNames[0] + " " + strings.Join(in.ResourceArns, " ")
	for _, c := range in.ContextEntries {
		if key := aws.ToString(c.ContextKeyName); strings.Contains(key, "Tag") || strings.Contains(key, "Service") {
			q += " " + key + "=" + strings.Join(c.ContextKeyValues, ",") + " " + string(c.ContextKeyType)
		}
	}
	*n.asked = append(*n.asked, q)
	if slices.Contains(n.denied, in.ActionNames[0]) {
		return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{simulated(implicit)}}, nil
	}
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{simulated(allowed)}}, nil
}

// succeeded is AWS's answer to a dry run that it would allow.
var succeeded = incident.Answer{Class: incident.Succeeded}

// accountOf returns an account with one scope, whose dry runs have these results.
func accountOf(api simulator, trials ...trial) *account {
	s := &subject{scope: inventory.Scope{Account: "1", Region: "eu-west-1"}}
	s.trials = func() ([]trial, error) { return trials, nil }
	s.logs = func() ([]inventory.FlowLog, error) { return []inventory.FlowLog{{ID: "fl-1"}}, nil }
	return &account{id: "1", subjects: []*subject{s}, iam: api, self: func() (string, error) { return "arn:aws:iam::1:role/r", nil }}
}

// TestDelegatedPermissionsAreAskedForWhereNeeded: flow logs to Firehose, and those with ECS or tag fields, need more
// permissions than others. The doctor asks the simulator about these with the resources and condition keys that AWS
// would use, and only if a protected flow log needs them.
func TestDelegatedPermissionsAreAskedForWhereNeeded(t *testing.T) {
	t.Parallel()
	const stream = "arn:aws:firehose:eu-west-1:1:deliverystream/s"
	firehose := delivery.Target{Type: "kinesis-data-firehose", Destination: stream}
	ecs := delivery.Target{Type: "s3", Fields: delivery.Fields{ECS: true}}
	tags := delivery.Target{Type: "s3", Fields: delivery.Fields{GroupTags: true}}
	for name, c := range map[string]struct {
		target delivery.Target
		denied []string
		lacks  string // the permission that the dry run lacked
		asked  []string
		want   []Status
		says   string
	}{
		"S3":                                   {target: delivery.Target{Type: "s3"}},
		"Firehose":                             {target: firehose, asked: []string{"firehose:TagDeliveryStream " + stream + " aws:RequestTag/LogDeliveryEnabled=true string aws:TagKeys=LogDeliveryEnabled stringList", "iam:CreateServiceLinkedRole arn:aws:iam::1:role/aws-service-role/delivery.logs.amazonaws.com/AWSServiceRoleForLogDelivery iam:AWSServiceName=delivery.logs.amazonaws.com string"}},
		"Firehose, tagging denied":             {target: firehose, denied: []string{"firehose:TagDeliveryStream"}, want: []Status{Fail}, says: "lacks firehose:TagDeliveryStream"},
		"Firehose, service-linked role denied": {target: firehose, denied: []string{"iam:CreateServiceLinkedRole"}, want: []Status{Warn}, says: "should somebody delete it"},
		"Firehose, the dry run was refused":    {target: firehose, lacks: "iam:CreateServiceLinkedRole", want: []Status{Fail}, says: "would be refused"},
		"ECS":                                  {target: ecs, asked: []string{"ecs:ListClusters *", "ecs:ListContainerInstances *", "ecs:ListServices *", "ecs:ListTaskDefinitions *", "ecs:ListTasks *"}},
		"ECS, two missing":                     {target: ecs, denied: []string{"ecs:ListTasks", "ecs:ListServices"}, want: []Status{Fail, Fail}, says: "formats with ECS fields"},
		"tag fields":                           {target: tags, asked: []string{"ec2:DescribeTags *", "autoscaling:DescribeTags *", "iam:CreateServiceLinkedRole arn:aws:iam::1:role/aws-service-role/vpc-flow-logs.amazonaws.com/AWSServiceRoleForVPCFlowLogs iam:AWSServiceName=vpc-flow-logs.amazonaws.com string"}},
		"tag fields, the dry run was refused":  {target: tags, lacks: "autoscaling:DescribeTags", want: []Status{Fail}, says: "would be refused"},
	} {
		t.Run(name, func(t *testing.T) {
			tried := trial{target: c.target, id: "fl-1", lacks: c.lacks, answer: succeeded}
			if c.lacks != "" {
				tried.answer.Class = incident.NeedsPerson
			}
			var asked []string
			found := accountOf(recorder{c.denied, &asked}, tried, tried).logDelivery(t.Context())
			if found[0].status != OK || asked[0] != "logs:CreateLogDelivery *" { // every flow log needs this permission
				t.Errorf("%+v after %s", found[0], asked[0])
			}
			found, asked = found[1:], asked[1:]
			var got []Status
			for _, f := range found {
				got = append(got, f.status)
				if !strings.Contains(f.detail, c.says) || !strings.Contains(f.fix, "deploy/iam-policy.json") {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(got, c.want) || c.denied == nil && c.lacks == "" && !slices.Equal(asked, c.asked) {
				t.Errorf("%v, want %v; asked\n%s", found, c.want, strings.Join(asked, "\n"))
			}
			if c.lacks != "" && !hasCheck(c.lacks) {
				t.Errorf("no check is named for %s, so it is reported twice", c.lacks)
			}
		})
	}
}

// TestARefusalIsReportedThoughAnotherRegionDoesNotAnswer: in one Region no dry run could be made, and in another they
// were refused. The account must still show the refusal.
func TestARefusalIsReportedThoughAnotherRegionDoesNotAnswer(t *testing.T) {
	t.Parallel()
	ecs := delivery.Target{Type: "cloud-watch-logs", Fields: delivery.Fields{ECS: true}}
	silent := &subject{scope: inventory.Scope{Account: "1", Region: "eu-west-1"}, trials: func() ([]trial, error) { return nil, errors.New("no answer") }}
	refused := &subject{scope: inventory.Scope{Account: "1", Region: "us-east-1"}, trials: func() ([]trial, error) {
		return []trial{{target: ecs, id: "fl-1", region: "us-east-1", lacks: "ecs:ListTasks", answer: incident.Answer{Class: incident.NeedsPerson, Message: "denied"}}}, nil
	}}
	var asked []string
	a := accountOf(recorder{nil, &asked})
	a.subjects = []*subject{silent, refused}
	for _, f := range a.logDelivery(t.Context()) {
		if f.status == Fail && strings.Contains(f.detail, "would be refused") {
			return
		}
	}
	t.Error("the refusal is not reported")
}

// TestTagsThatFollowACreate: the policies in deploy/ allow ec2:CreateTags only on flow logs with Flowkeeper's own tag.
// So the doctor must ask the simulator about a flow log that has this tag.
func TestTagsThatFollowACreate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		denied []string
		trials []trial
		want   []Status
		says   string
	}{
		"allowed":          {nil, []trial{{id: "fl-1", answer: succeeded}}, []Status{OK}, "may tag what it has restored"},
		"denied":           {[]string{"ec2:CreateTags"}, []trial{{id: "fl-1", answer: succeeded}}, []Status{Fail}, "allow ec2:CreateTags (TagWhatIsRestored in deploy/iam-policy.json)"},
		"nothing to judge": {[]string{"ec2:CreateTags"}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			var got []Status
			for _, f := range accountOf(recorder{c.denied, &asked}, c.trials...).tagLater(t.Context()) {
				got = append(got, f.status)
				if !strings.Contains(f.detail+f.fix, c.says) {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			const want = "ec2:CreateTags arn:aws:ec2:eu-west-1:1:vpc-flow-log/fl-1 aws:ResourceTag/flowkeeper:restored-from=fl-00000000000000000 string"
			if len(c.trials) > 0 && !slices.Equal(asked, []string{want}) {
				t.Errorf("the simulator was asked %q, want %q", asked, want)
			}
		})
	}
}
