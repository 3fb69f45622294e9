package sink

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
)

// Publisher is the part of the SDK's client that publishes. The client's Region
// must be the topic's.
type Publisher interface {
	Publish(ctx context.Context, in *sns.PublishInput, optFns ...func(*sns.Options)) (*sns.PublishOutput, error)
}

const (
	// maxMessage, in bytes, keeps below SNS's 262,144.
	maxMessage = 250 << 10
	// maxSubject: SNS wants less than 100 characters.
	maxSubject = 99
)

// Topic publishes alerts to an SNS topic: the JSON that webhooks get, with the
// title as the subject for e-mail.
type Topic struct {
	label
	arn    string
	client Publisher
}

// NewTopic returns the SNS sink called name.
func NewTopic(name, topicARN string, client Publisher) *Topic {
	return &Topic{label: label("sns " + name), arn: topicARN, client: client}
}

// Send publishes the alert, with as much of its flow logs as one message holds; its
// compact form, where SNS does not take that.
func (t *Topic) Send(ctx context.Context, a alert.Alert) error {
	return t.sendWhole(ctx, a.Within(maxMessage), func() any { return a.Compact() }, func(ctx context.Context, body []byte) error {
		return t.publish(ctx, a, string(body))
	})
}

func (t *Topic) publish(ctx context.Context, a alert.Alert, message string) error {
	subject := subject(a.Title)
	in := &sns.PublishInput{TopicArn: &t.arn, Subject: &subject, Message: &message}
	if strings.HasSuffix(t.arn, ".fifo") {
		// Such a topic demands both; the alert's own ID drops our repeats.
		group := a.Account + "." + a.Region
		in.MessageGroupId, in.MessageDeduplicationId = &group, &a.ID
	}
	switch _, err := t.client.Publish(ctx, in, onePublish); {
	case err == nil:
		return nil
	case isSuccess(status(err)): // the error is only about reading the answer: SNS has the message
		return t.odd("answered as SNS does to what it takes, but nothing that can be read: see what stands between (a proxy, aws.endpoint_url)")
	default:
		return t.failure(err)
	}
}

// onePublish leaves trying again to the outbox: the SDK would also repeat what SNS
// has taken, where its answer breaks off.
func onePublish(o *sns.Options) { o.Retryer = aws.NopRetryer{} }

// status is that of the answer which an error is about; 0: there was none.
func status(err error) int {
	if e, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// subject is a title as SNS takes it everywhere: printable ASCII, less than
// 100 characters, beginning with no space.
func subject(title string) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimSpace(title))
	if s == "" {
		return "Flowkeeper alert"
	}
	if len(s) > maxSubject {
		s = s[:maxSubject-3] + "..."
	}
	return s
}

// failure words an error of Publish. AWS's message is left out: that of a
// refused signature repeats the request's headers, the session token among
// them (I11).
func (t *Topic) failure(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return t.failed(cause(err))
	}
	code := alert.Clean(api.ErrorCode(), alert.MaxField)
	e := t.failed(code + ": " + snsAdvice(code))
	throttled := strings.Contains(code, "Throttl") || code == "RequestLimitExceeded"
	e.Refused = !throttled && status(err) >= 400 && status(err) < 500 // else it is no "no" but a "not now"
	e.shorter = strings.HasPrefix(code, "InvalidParameter") || strings.HasPrefix(code, "ParameterValueInvalid") || code == "RequestEntityTooLarge"
	return e
}

func snsAdvice(code string) string {
	switch {
	case strings.Contains(code, "Throttl"):
		return "will pass"
	case strings.HasPrefix(code, "AuthorizationError"), strings.HasPrefix(code, "AccessDenied"):
		return "allow sns:Publish on the topic"
	case strings.HasPrefix(code, "NotFound"):
		return "check topic_arn"
	case strings.HasPrefix(code, "KMS"):
		return "allow kms:GenerateDataKey and kms:Decrypt on the topic's key"
	}
	return "check topic_arn and the credentials"
}
