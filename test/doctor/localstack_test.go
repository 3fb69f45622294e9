package doctor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/internal/doctor"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// cloud is an account in LocalStack, made for one test, with a queue. cfg has the credentials of a role in it.
type cloud struct {
	account, role string
	root, cfg     aws.Config
	url, arn      string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{account: fmt.Sprintf("%012d", 100_000_000_000+rand.Int64N(800_000_000_000))}
	c.root = aws.Config{Region: region, BaseEndpoint: aws.String(shared.Get(t).Endpoint), Credentials: static(c.account, "any", "")}
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"sts:AssumeRole"}]}`, c.account)
	made, err := iam.NewFromConfig(c.root).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("flowkeeper"), AssumeRolePolicyDocument: &trust})
	must(t, err)
	c.role = aws.ToString(made.Role.Arn)
	out, err := sts.NewFromConfig(c.root).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &c.role, RoleSessionName: aws.String("test")})
	must(t, err)
	c.cfg = c.root.Copy()
	c.cfg.Credentials = static(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	q, err := sqs.NewFromConfig(c.root).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("flowkeeper")})
	must(t, err)
	c.url, c.arn = *q.QueueUrl, fmt.Sprintf("arn:aws:sqs:%s:%s:flowkeeper", region, c.account)
	return c
}

func (c *cloud) examine(t *testing.T, change ...func(*doctor.Doctor)) results {
	t.Helper()
	d := newDoctor(t, c.cfg, c.url)
	for _, f := range change {
		f(d)
	}
	return examine(t, d)
}

// rule makes or replaces a rule with one target.
func (c *cloud) rule(t *testing.T, in, name, pattern string, target ebtypes.Target) *eventbridge.Client {
	t.Helper()
	return c.ruleOn(t, in, "default", name, pattern, target)
}

func (c *cloud) ruleOn(t *testing.T, in, bus, name, pattern string, target ebtypes.Target) *eventbridge.Client {
	t.Helper()
	cfg := c.root.Copy()
	cfg.Region = in
	api := eventbridge.NewFromConfig(cfg)
	_, err := api.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: &pattern})
	must(t, err)
	target.Id = aws.String("target")
	out, err := api.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: []ebtypes.Target{target}})
	must(t, err)
	if out.FailedEntryCount != 0 {
		t.Fatalf("the target was refused: %+v", out.FailedEntries)
	}
	return api
}

func deployed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/eventbridge-pattern.json")
	must(t, err)
	var compact bytes.Buffer
	must(t, json.Compact(&compact, text))
	return compact.String()
}

func TestEventRule(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	r := c.examine(t)
	r.expect(t, "event-rule", doctor.Fail, "no rule leads to "+c.arn, "aws events put-targets --rule flowkeeper --region eu-west-1 --targets Id=queue,Arn="+c.arn)
	r.expect(t, "event-pattern", doctor.Skipped)
	r = c.examine(t, func(d *doctor.Doctor) { d.Config.Queue.URL += "-not" }) // a mistake in queue.url is one failure, not one in each account and Region
	r.expect(t, "queue", doctor.Fail)
	r.expect(t, "event-rule", doctor.Skipped)

	api := c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn})
	c.examine(t).expect(t, "event-rule", doctor.OK, "ours to "+c.arn)
	_, err := api.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("ours")})
	must(t, err)
	c.examine(t).expect(t, "event-rule", doctor.Fail, "ours is disabled", "aws events enable-rule --name ours --region eu-west-1")
	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn, Input: aws.String(`{"a":"constant"}`)})
	c.examine(t).expect(t, "event-rule", doctor.Fail, "constant text")
	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn, InputPath: aws.String("$.detail.eventName")})
	c.examine(t).expect(t, "event-rule", doctor.Fail, "sends only $.detail.eventName of the event", "aws events put-targets --rule ours --region eu-west-1 --targets Id=target,Arn="+c.arn)
	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn, InputPath: aws.String("$.detail")})
	c.examine(t).expect(t, "event-rule", doctor.OK)
}

// TestEventRuleOfAnotherRegion: events of another Region reach the queue by a bus in the queue's account and
// Region.
func TestEventRuleOfAnotherRegion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	both := func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-east-1"} }
	of := func(r results, region string) doctor.Result {
		for _, x := range r["event-rule"] {
			if x.Region == region {
				return x
			}
		}
		return doctor.Result{}
	}
	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn})
	if x := of(c.examine(t, both), "us-east-1"); x.Status != doctor.Fail || !strings.Contains(x.Fix, "event-bus/default,RoleArn=") {
		t.Errorf("no rule in us-east-1 forwards: got %+v, want a failure with the bus as the target to set", x)
	}
	bus := aws.String(fmt.Sprintf("arn:aws:events:%s:%s:event-bus/", region, c.account))
	c.rule(t, "us-east-1", "forward", deployed(t), ebtypes.Target{Arn: aws.String(*bus + "default"), RoleArn: &c.role})
	r := c.examine(t, both)
	if x := of(r, "us-east-1"); x.Status != doctor.OK || !strings.Contains(x.Detail, "from there ours to "+c.arn) {
		t.Errorf("a rule in us-east-1 forwards: got %+v, want OK by way of the rule ours", x)
	}
	for _, x := range r["event-pattern"] {
		if x.Status != doctor.OK {
			t.Errorf("got %+v, want OK", x)
		}
	}
	// The rule in the event's own Region drops events that the rule on the bus of the queue
	// would match.
	c.rule(t, "us-east-1", "forward", `{"source":["aws.ec2"],"detail":{"eventName":["CreateFlowLogs"]}}`, ebtypes.Target{Arn: aws.String(*bus + "default"), RoleArn: &c.role})
	c.examine(t, both).expect(t, "event-pattern", doctor.Fail, "forward does not match a deletion, a refused deletion")
}

// TestEventRuleOfAnotherBus: rules of a bus with another name than "default" are found, too.
func TestEventRuleOfAnotherBus(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	both := func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-east-1"} }
	api := eventbridge.NewFromConfig(c.root)
	made, err := api.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("security")})
	must(t, err)
	for _, in := range []string{region, "us-east-1"} {
		c.rule(t, in, "forward", deployed(t), ebtypes.Target{Arn: made.EventBusArn, RoleArn: &c.role})
	}
	// Events of the bus security do not pass the rule of the default bus that leads to the
	// queue.
	c.rule(t, region, "by-the-way", `{"source":["aws.ec2"]}`, ebtypes.Target{Arn: &c.arn})
	c.examine(t, both).expect(t, "event-rule", doctor.Fail, "forward to "+*made.EventBusArn+", but no rule of that bus leads to the queue", "put-rule --name flowkeeper --region eu-west-1 --event-bus-name security")
	_, err = api.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("by-the-way"), Ids: []string{"target"}})
	must(t, err)

	c.ruleOn(t, region, "security", "ours", deployed(t), ebtypes.Target{Arn: &c.arn})
	r := c.examine(t, both)
	for _, check := range []string{"event-rule", "event-pattern"} {
		if len(r[check]) != 2 || r[check][0].Status != doctor.OK || r[check][1].Status != doctor.OK {
			t.Errorf("%s is %+v, want OK for both Regions", check, r[check])
		}
	}
	r.expect(t, "event-rule", doctor.OK, "from there ours to "+c.arn)
	x := r.expect(t, "queue-policy", doctor.Fail)
	must(t, paste(t, c.root, c.url, x.Fix))
	c.examine(t, both).expect(t, "queue-policy", doctor.OK, "rule/security/ours")

	c.ruleOn(t, region, "security", "ours", `{"source":["aws.ec2"],"detail":{"eventName":["CreateFlowLogs"]}}`, ebtypes.Target{Arn: &c.arn})
	c.examine(t, both).expect(t, "event-pattern", doctor.Fail, "ours does not match a deletion, a refused deletion", "--name ours --region eu-west-1 --event-bus-name security")
	_, err = api.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("ours"), EventBusName: aws.String("security")})
	must(t, err)
	c.examine(t, both).expect(t, "event-rule", doctor.Fail, "ours is disabled", "--name ours --region eu-west-1 --event-bus-name security")
}

// TestEventRuleByATopic: a rule may send to a topic. The doctor can't see whether the queue is subscribed to
// it; only a rehearsal whose record came back proves that.
func TestEventRuleByATopic(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topic := "arn:aws:sns:" + region + ":" + c.account + ":trail"
	send := `{"Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + c.arn + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topic + `"}}}}`
	_, err := sqs.NewFromConfig(c.root).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &c.url, Attributes: map[string]string{"Policy": send}})
	must(t, err)
	c.examine(t).expect(t, "event-rule", doctor.Unknown, "no rule leads to the queue or to "+topic, "describe-trails")

	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &topic})
	c.examine(t).expect(t, "event-rule", doctor.Unknown, "ours leads to "+topic, "aws sns list-subscriptions-by-topic --topic-arn "+topic+" --region eu-west-1")
	path, now := t.TempDir()+"/state.db", time.Now()
	scope := inventory.Scope{Account: c.account, Region: region}
	remembersOf(t, path, scope, func(tx *store.Tx) error {
		return tx.SavePipelineHealth(scope, rehearse.PipelineHealth{BackAt: now}, nil)
	})
	c.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path }).expect(t, "event-rule", doctor.OK, "ours to "+topic)
	c.examine(t, func(d *doctor.Doctor) {
		d.Config.State.Path, d.Now = path, func() time.Time { return now.Add(24 * time.Hour) }
	}).expect(t, "event-rule", doctor.Unknown)
}

func TestEventPattern(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, p := range []struct {
		pattern string
		want    doctor.Status
		says    string
	}{
		{deployed(t), doctor.OK, "matched 6 samples"},
		{`{"source":["aws.ec2"],"detail":{"eventName":["DeleteFlowLogs"]}}`, doctor.Fail, "does not match a rehearsal, a creation"},
		{`{"source":["aws.ec2"],"detail":{"eventName":["DeleteFlowLogs","CreateFlowLogs"],"errorCode":[{"exists":false}]}}`, doctor.Fail, "does not match a refused deletion, a rehearsal"},
		{`{"source":["aws.ec2"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventName":["DeleteFlowLogs","CreateFlowLogs"]}}`, doctor.Warn, "does not match the end of a VPC, a stopped trail"},
	} {
		c.rule(t, region, "ours", p.pattern, ebtypes.Target{Arn: &c.arn})
		c.examine(t).expect(t, "event-pattern", p.want, p.says)
	}
	// A disabled rule does not count, though its pattern matches more.
	c.rule(t, region, "ours", `{"source":["aws.ec2"],"detail":{"eventName":["DeleteFlowLogs"]}}`, ebtypes.Target{Arn: &c.arn})
	_, err := c.rule(t, region, "off", deployed(t), ebtypes.Target{Arn: &c.arn}).DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("off")})
	must(t, err)
	c.examine(t).expect(t, "event-pattern", doctor.Fail, "the pattern of ours does not match")
	// Nor does a rule that sends something else than the record.
	c.rule(t, region, "off", deployed(t), ebtypes.Target{Arn: &c.arn, Input: aws.String(`{"a":"constant"}`)})
	c.examine(t).expect(t, "event-pattern", doctor.Fail, "the pattern of ours does not match")
}

func TestQueueKey(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.examine(t).expect(t, "queue-key", doctor.OK)
	for key, want := range map[string]doctor.Status{"alias/aws/sqs": doctor.Fail, "1234abcd-12ab-34cd-56ef-1234567890ab": doctor.Unknown} {
		_, err := sqs.NewFromConfig(c.root).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &c.url, Attributes: map[string]string{"KmsMasterKeyId": key}})
		must(t, err)
		x := c.examine(t).expect(t, "queue-key", want, key)
		if want == doctor.Fail {
			must(t, paste(t, c.root, c.url, x.Fix))
			c.examine(t).expect(t, "queue-key", doctor.OK)
		}
	}
	// A recent message proves that the key works. An old one does not.
	_, err := sqs.NewFromConfig(c.root).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &c.url, Attributes: map[string]string{"KmsMasterKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab"}})
	must(t, err)
	now := time.Now()
	for back, want := range map[time.Time]doctor.Status{now.Add(-time.Minute): doctor.OK, now.Add(-90 * 24 * time.Hour): doctor.Unknown} {
		path := filepath.Join(t.TempDir(), "state.db")
		here := inventory.Scope{Account: c.account, Region: region}
		remembersOf(t, path, here, func(tx *store.Tx) error {
			return tx.SavePipelineHealth(here, rehearse.PipelineHealth{BackAt: back}, nil)
		})
		c.examine(t, func(d *doctor.Doctor) { d.Config.State.Path, d.Now = path, func() time.Time { return now } }).expect(t, "queue-key", want)
	}
}

// TestQueuePolicyNamesTheRule: the queue's policy must allow the rule that the doctor found, not just any rule.
func TestQueuePolicyNamesTheRule(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.rule(t, region, "ours", deployed(t), ebtypes.Target{Arn: &c.arn})
	ours := fmt.Sprintf("arn:aws:events:%s:%s:rule/ours", region, c.account)
	for rule, want := range map[string]doctor.Status{ours: doctor.OK, strings.Replace(ours, "ours", "other", 1): doctor.Fail} {
		text := strings.ReplaceAll(strings.ReplaceAll(policy(t, rule), "arn:aws:sqs:eu-west-1:111122223333:flowkeeper", c.arn), "111122223333", c.account)
		_, err := sqs.NewFromConfig(c.root).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &c.url, Attributes: map[string]string{"Policy": text}})
		must(t, err)
		x := c.examine(t).expect(t, "queue-policy", want, rule)
		if want == doctor.Fail {
			must(t, paste(t, c.root, c.url, x.Fix))
			c.examine(t).expect(t, "queue-policy", doctor.OK, ours)
		}
	}
}

// allow gives the role one statement. LocalStack's simulator compares texts, so wildcards do not match.
func (c *cloud) allow(t *testing.T, action, resource string) {
	t.Helper()
	_, err := iam.NewFromConfig(c.root).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("flowkeeper"), PolicyName: aws.String("test"), PolicyDocument: aws.String(statement(action, resource)),
	})
	must(t, err)
}

func statement(action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[%q],"Resource":[%q]}]}`, action, resource)
}

func (c *cloud) flowLog(id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:vpc-flow-log/%s", region, c.account, id)
}

func TestNeverDelete(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.examine(t).expect(t, "never-delete", doctor.OK, c.role)
	c.allow(t, "ec2:DeleteFlowLogs", c.flowLog("fl-00000000000000000"))
	c.examine(t).expect(t, "never-delete", doctor.Fail, c.role+" may delete flow logs", "aws iam put-role-policy --role-name flowkeeper", `"Effect":"Deny"`)
	// The simulator refuses the root user, which may do everything.
	r := c.examine(t, func(d *doctor.Doctor) { d.AWS = c.root })
	r.expect(t, "never-delete", doctor.Fail, "the root user may delete flow logs", "delete the root user's access key")
	r.expect(t, "log-delivery", doctor.Unknown, "beyond the dry runs")
}

func TestPassRoleAndLogDelivery(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	delivery := "arn:aws:iam::" + c.account + ":role/flow-logs"
	must(t, shared.Get(t).CreateLogGroup(t.Context(), c.account, region, "flow-logs"))
	api := ec2.NewFromConfig(c.root)
	vpc, err := api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	_, err = api.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{ResourceIds: []string{*vpc.Vpc.VpcId}, ResourceType: ec2types.FlowLogsResourceTypeVpc,
		TrafficType: ec2types.TrafficTypeAll, LogGroupName: aws.String("flow-logs"), DeliverLogsPermissionArn: &delivery})
	must(t, err)

	r := c.examine(t)
	r.expect(t, "create", doctor.OK, "1 destination and role")
	r.expect(t, "pass-role", doctor.Fail, "may not pass "+delivery, `"Resource":"`+delivery+`"`)
	r.expect(t, "log-delivery", doctor.Warn, "lacks logs:CreateLogDelivery", "none that is protected goes there")
	c.allow(t, "iam:PassRole", delivery)
	_, err = s3.NewFromConfig(c.root, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("flow-logs-" + c.account),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(t, err)
	_, err = api.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{ResourceIds: []string{*vpc.Vpc.VpcId}, ResourceType: ec2types.FlowLogsResourceTypeVpc,
		TrafficType: ec2types.TrafficTypeAll, LogDestinationType: ec2types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::flow-logs-" + c.account)})
	must(t, err)
	r = c.examine(t)
	r.expect(t, "pass-role", doctor.OK, delivery)
	r.expect(t, "log-delivery", doctor.Fail, "lacks logs:CreateLogDelivery")
	c.allow(t, "logs:CreateLogDelivery", "*")
	c.examine(t).expect(t, "log-delivery", doctor.OK)
}

func TestWhoMayDelete(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api := iam.NewFromConfig(c.root)
	for _, name := range []string{"mallory", "intern"} {
		_, err := api.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
		must(t, err)
	}
	// LocalStack's simulator fails for the inline policies of a user.
	made, err := api.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("test"), PolicyDocument: aws.String(statement("ec2:DeleteFlowLogs", c.flowLog("fl-00000000000000000")))})
	must(t, err)
	_, err = api.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("mallory"), PolicyArn: made.Policy.Arn})
	must(t, err)
	asked := make(chan struct{}, 10)
	reviews := newDoctor(t, c.cfg, c.url).WhoMayDelete(t.Context(), func() { asked <- struct{}{} })
	if len(reviews) != 1 || reviews[0].Err != nil || reviews[0].Asked != 3 || len(asked) != 3 || reviews[0].Unasked != 0 {
		t.Fatalf("the review is %+v, want one that asked about 3 principals", reviews)
	}
	may := reviews[0].May
	if len(may) != 1 || may[0].ARN != "arn:aws:iam::"+c.account+":user/mallory" || may[0].Type != "user" || !may[0].WithMFA || !may[0].WithoutMFA || may[0].AccessKey == nil || !*may[0].AccessKey {
		t.Errorf("%+v may delete flow logs, want only the user mallory, with MFA and without, who has an access key", may)
	}
}
