package system_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/test/localstack"
)

const (
	region      = "eu-west-1"
	patternFile = "../../deploy/eventbridge-pattern.json"
	bus         = "AWS API Call via CloudTrail"
)

// world is an account in LocalStack with what the README tells users to set up: a queue with a dead-letter
// queue, a rule on the default bus, and a topic.
type world struct {
	inst    *localstack.Instance
	account string

	ec2    *ec2.Client
	sqs    *sqs.Client
	sns    *sns.Client
	s3     *s3.Client
	events *eventbridge.Client

	queueURL, deadURL, topicARN string
}

func newWorld(t *testing.T, inst *localstack.Instance) *world {
	t.Helper()
	w := connect(inst)
	deadARN := w.arn("sqs", "flowkeeper-dead")
	w.deadURL = w.newQueue(t, "flowkeeper-dead", nil)
	redrive, err := json.Marshal(map[string]any{"deadLetterTargetArn": deadARN, "maxReceiveCount": 5})
	must(t, err)
	w.queueURL = w.newQueue(t, "flowkeeper", map[string]string{"RedrivePolicy": string(redrive)})
	w.routeEvents(t)
	w.routeTopic(t)
	return w
}

// connect makes clients for a new account: for LocalStack, an access key of twelve digits is the account.
func connect(inst *localstack.Instance) *world {
	account := fmt.Sprintf("%012d", 100_000_000_000+rand.Int64N(800_000_000_000))
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(inst.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(account, "any-secret", ""),
	}
	return &world{
		inst: inst, account: account,
		ec2: ec2.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg),
		s3:     s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		events: eventbridge.NewFromConfig(cfg),
	}
}

func (w *world) arn(service, name string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, region, w.account, name)
}

func (w *world) newQueue(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := w.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(t, err)
	return aws.ToString(out.QueueUrl)
}

// routeEvents makes the rule, with the pattern that users deploy.
func (w *world) routeEvents(t *testing.T) {
	t.Helper()
	pattern, err := os.ReadFile(patternFile)
	must(t, err)
	rule := aws.String("flowkeeper")
	_, err = w.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: rule, EventPattern: aws.String(string(pattern))})
	must(t, err)
	out, err := w.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		Rule: rule, Targets: []ebtypes.Target{{Id: aws.String("queue"), Arn: aws.String(w.arn("sqs", "flowkeeper"))}},
	})
	must(t, err)
	if out.FailedEntryCount != 0 {
		t.Fatalf("the rule's target was refused: %+v", out.FailedEntries)
	}
}

func (w *world) routeTopic(t *testing.T) {
	t.Helper()
	topic, err := w.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("flowkeeper")})
	must(t, err)
	w.topicARN = aws.ToString(topic.TopicArn)
	_, err = w.sns.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &w.topicARN, Protocol: aws.String("sqs"), Endpoint: aws.String(w.arn("sqs", "flowkeeper")),
	})
	must(t, err)
}

// putEvent sends a record as CloudTrail does: to the bus, whose rule forwards it.
func (w *world) putEvent(t *testing.T, r record) {
	t.Helper()
	out, err := w.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		Source: aws.String("aws.ec2"), DetailType: aws.String(bus), Detail: aws.String(r.json),
	}}})
	must(t, err)
	if out.FailedEntryCount != 0 {
		t.Fatalf("the event was refused: %+v", out.Entries)
	}
}

// publish sends a record through SNS, which wraps it in its own envelope.
func (w *world) publish(t *testing.T, r record) {
	t.Helper()
	_, err := w.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &w.topicARN, Message: aws.String(r.json)})
	must(t, err)
}

// queuesEmpty returns an error unless every message was acknowledged, and none is in the dead-letter queue.
func (w *world) queuesEmpty(t *testing.T) error {
	t.Helper()
	for _, url := range []string{w.queueURL, w.deadURL} {
		out, err := w.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
		})
		must(t, err)
		for _, a := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
			if n := out.Attributes[a]; n != "0" {
				return fmt.Errorf("%s: %s is %s", url, a, n)
			}
		}
	}
	return nil
}

func (w *world) newBucket(t *testing.T, name string) {
	t.Helper()
	_, err := w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
