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

// Publisher is the part of the SDK's SNS client that publishes. The client's Region must be
// that of the topic.
type Publisher interface {
	Publish(ctx context.Context, in *sns.PublishInput, optFns ...func(*sns.Options)) (*sns.PublishOutput, error)
}

const (
	// maxMessage is below SNS's limit of 262,144 bytes.
	maxMessage = 250 << 10
	// maxSubject is the limit of a subject: SNS allows less than 100 characters.
	maxSubject = 99
)

// Topic publishes alerts to an SNS topic: the JSON that webhooks get, with the title as the
// subject of e-mails.
type Topic struct {
	label
	arn    string
	client Publisher
}

// NewTopic returns the SNS sink called name.
func NewTopic(name, topicARN string, client Publisher) *Topic {
	return &Topic{label: label("sns " + name), arn: topicARN, client: client}
}

// Send publishes the alert, with as many details of its flow logs as fit into one message.
// If SNS refuses that as invalid or too large, Send publishes the compact form.
func (t *Topic) Send(ctx context.Context, a alert.Alert) error {
	return t.sendWhole(ctx, a.Within(maxMessage), func() any { return a.Compact() }, func(ctx context.Context, body []byte) error {
		return t.publish(ctx, a, string(body))
	})
}

func (t *Topic) publish(ctx context.Context, a alert.Alert, message string) error {
	subject := subject(a.Title)
	in := &sns.PublishInput{TopicArn: &t.arn, Subject: &subject, Message: &message}
	if strings.HasSuffix(t.arn, ".fifo") {
		// A FIFO topic requires both. With the alert's ID it drops a repeated message.
		group := a.Account + "." + a.Region
		in.MessageGroupId, in.MessageDeduplicationId = &group, &a.ID
	}
	switch _, err := t.client.Publish(ctx, in, onePublish); {
	case err == nil:
		return nil
	case isSuccess(status(err)): // only the answer could not be read: SNS has the message
		return t.unexpected("answered with success, but the answer is not one of SNS: check what is in between (a proxy, aws.endpoint_url)")
	default:
		return t.failure(err)
	}
}

// onePublish disables the SDK's retries. The SDK would repeat a message that SNS has taken
// if only the answer was cut off; the outbox decides what to try again.
func onePublish(o *sns.Options) { o.Retryer = aws.NopRetryer{} }

// status is the HTTP status of the answer that an error is about; 0 if there was none.
func status(err error) int {
	if e, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// subject is a title in the form that SNS accepts as a subject: printable ASCII, less than
// 100 characters, no space at the start.
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

// failure is the Error for an error of Publish. It leaves AWS's message out: the message
// about a refused signature contains the request's headers, with the session token (I11).
func (t *Topic) failure(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return t.failed(cause(err))
	}
	code := alert.Clean(api.ErrorCode(), alert.MaxField)
	e := t.failed(code + ": " + snsAdvice(code))
	throttled := strings.Contains(code, "Throttl") || code == "RequestLimitExceeded"
	e.Refused = !throttled && status(err) >= 400 && status(err) < 500 // otherwise the same call may succeed later
	e.shorter = strings.HasPrefix(code, "InvalidParameter") || strings.HasPrefix(code, "ParameterValueInvalid") || code == "RequestEntityTooLarge"
	return e
}

func snsAdvice(code string) string {
	switch {
	case strings.Contains(code, "Throttl"):
		return "SNS limits the rate, no action is needed"
	case strings.HasPrefix(code, "AuthorizationError"), strings.HasPrefix(code, "AccessDenied"):
		return "allow sns:Publish on the topic"
	case strings.HasPrefix(code, "NotFound"):
		return "check topic_arn"
	case strings.HasPrefix(code, "KMS"):
		return "allow kms:GenerateDataKey and kms:Decrypt on the topic's key"
	}
	return "check topic_arn and the credentials"
}
