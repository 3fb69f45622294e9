package deploy_test

import (
	"encoding/xml"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// rolePolicy is the policy of Flowkeeper's role in an account.
func (p *place) rolePolicy(t *testing.T) string {
	t.Helper()
	text, err := p.query(t.Context(), "iam", url.Values{
		"Action": {"GetRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {"flowkeeper"}, "PolicyName": {"flowkeeper"}})
	must(t, err)
	var out struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	must(t, xml.Unmarshal(text, &out))
	document, err := url.PathUnescape(out.Document)
	must(t, err)
	return document
}

// queries list what the templates make. If nothing of Flowkeeper is left, none of the answers has its name.
var queries = map[string]url.Values{
	"iam ListRoles":             {"Version": {"2010-05-08"}},
	"iam ListInstanceProfiles":  {"Version": {"2010-05-08"}},
	"sns ListTopics":            {"Version": {"2010-03-31"}},
	"sns ListSubscriptions":     {"Version": {"2010-03-31"}},
	"monitoring DescribeAlarms": {"Version": {"2010-08-01"}},
}

var ours = regexp.MustCompile(`flowkeeper[\w-]*`)

// traces are the things of Flowkeeper that are left, by kind.
func (p *place) traces(t *testing.T) map[string][]string {
	t.Helper()
	texts := map[string]string{}
	for what, form := range queries {
		service, action, _ := strings.Cut(what, " ")
		form = maps.Clone(form)
		form.Set("Action", action)
		text, err := p.query(t.Context(), service, form)
		must(t, err)
		texts[what] = string(text)
	}
	text, err := p.cloudFormation(t.Context(), url.Values{"Action": {"DescribeStacks"}})
	must(t, err)
	var d described
	must(t, xml.Unmarshal(text, &d))
	for _, s := range d.Stacks {
		if s.Status != "DELETE_COMPLETE" { // LocalStack also lists deleted stacks
			texts["cloudformation DescribeStacks"] += s.ID + " "
		}
	}
	queues, err := p.sqs.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	must(t, err)
	texts["sqs ListQueues"] = strings.Join(queues.QueueUrls, " ")
	rules, err := p.events.ListRules(t.Context(), &eventbridge.ListRulesInput{})
	must(t, err)
	for _, r := range rules.Rules {
		texts["events ListRules"] += aws.ToString(r.Name) + " "
	}
	bus, err := p.events.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{})
	must(t, err)
	texts["events DescribeEventBus"] = aws.ToString(bus.Policy)
	out := map[string][]string{}
	for what, text := range texts {
		if found := sorted(ours.FindAllString(text, -1)); len(found) > 0 {
			out[what] = found
		}
	}
	return out
}

// notifiesAnother lets a bucket notify somebody else about other objects.
func (p *place) notifiesAnother(t *testing.T, bucket string) {
	t.Helper()
	_, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("another")})
	must(t, err)
	_, err = p.s3.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, NotificationConfiguration: &s3types.NotificationConfiguration{QueueConfigurations: []s3types.QueueConfiguration{{
			Id: aws.String("another"), QueueArn: aws.String("arn:aws:sqs:" + p.region + ":" + p.account + ":another"), Events: []s3types.Event{"s3:ObjectRemoved:*"},
		}}},
	})
	must(t, err)
}

// notified are the IDs of a bucket's notifications.
func (p *place) notified(t *testing.T, bucket string) (ids []string) {
	t.Helper()
	out, err := p.s3.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
	must(t, err)
	for _, c := range out.QueueConfigurations {
		ids = append(ids, aws.ToString(c.Id))
	}
	for _, c := range out.TopicConfigurations {
		ids = append(ids, aws.ToString(c.Id))
	}
	return ids
}

// forwardsTo is the target of the rule flowkeeper-forward; empty if there is no such rule.
func (p *place) forwardsTo(t *testing.T) string {
	t.Helper()
	rules, err := p.events.ListRules(t.Context(), &eventbridge.ListRulesInput{NamePrefix: aws.String("flowkeeper-forward")})
	must(t, err)
	if len(rules.Rules) == 0 {
		return ""
	}
	out, err := p.events.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: rules.Rules[0].Name})
	must(t, err)
	if len(out.Targets) != 1 || aws.ToString(out.Targets[0].RoleArn) == "" {
		t.Fatalf("targets %+v, want one with a role", out.Targets)
	}
	return aws.ToString(out.Targets[0].Arn)
}
