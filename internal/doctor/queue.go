package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/queuepolicy"
	"flowkeeper/inventory"
)

// queue is the queue of queue.url, and how it is asked.
type queue struct {
	configs.QueueRef
	machine *machine
	api     *sqs.Client
	attrs   func() (map[string]string, error)
	own     func() (identity, error)   // of the base credentials, with which it is asked
	sources func() queuepolicy.Sources // who is known to send to it
}

func newQueue(ctx context.Context, d *Doctor, m *machine) *queue {
	q := &queue{machine: m}
	q.api, q.QueueRef, _ = queueclient.New(d.AWS, d.Config) // Load has checked queue.url
	q.Region = cmp.Or(q.Region, d.AWS.Region)
	q.attrs = once(ctx, func(ctx context.Context) (map[string]string, error) { return attributesOf(ctx, q.api, q.URL) })
	q.own = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, d.AWS, d.Now) })
	return q
}

func attributesOf(ctx context.Context, api *sqs.Client, url string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (q *queue) at() inventory.Scope { return inventory.Scope{Account: q.Account, Region: q.Region} }

func (q *queue) unusable() string {
	if _, err := q.own(); err != nil {
		return "our own credentials do not work"
	}
	return ""
}

// attribute returns an attribute of the queue; empty: it has none, or does not answer.
func (q *queue) attribute(name string) string {
	all, _ := q.attrs() // checks of attributes are skipped then
	return all[name]
}

// arn returns the ARN that the queue states, or the one that queue.url means.
func (q *queue) arn() string {
	return cmp.Or(q.attribute("QueueArn"), fmt.Sprintf("arn:%s:sqs:%s:%s:%s", inventory.Partition(q.Region), q.Region, q.Account, q.Name))
}

// buses is the beginning of the ARNs of the buses in the queue's account and Region.
func (q *queue) buses() string {
	return fmt.Sprintf("arn:%s:events:%s:%s:event-bus/", inventory.Partition(q.Region), q.Region, q.Account)
}

// targets returns the targets whose events reach the queue: the queue, and the topics that
// its policy allows to send.
func (q *queue) targets() []string {
	return append([]string{q.arn()}, queuepolicy.Topics(q.attribute("Policy"), q.arn())...)
}

func isTopic(arn string) bool { return partsOf(arn).Service == "sns" }

// answers judges whether the queue returns its attributes. It receives nothing, which would
// hide messages from the daemon.
func (q *queue) answers(context.Context) finding {
	a, err := q.attrs()
	host := queueclient.Host(q.api)
	if err == nil {
		return fine("%s at %s", a["QueueArn"], host)
	}
	if gone(err) {
		return finding{Fail, fmt.Sprintf("%s says that there is no queue %s in account %s, Region %s", host, q.Name, q.Account, q.Region),
			fmt.Sprintf("aws sqs get-queue-url --queue-name %s --queue-owner-aws-account-id %s --region %s; set queue.url to the answer, or make the queue anew: step 1 of docs/setup.md#by-hand", q.Name, q.Account, q.Region)}
	}
	if c := code(err); c == "" || strings.Contains(c, "Token") || strings.HasPrefix(c, "InvalidAddress") {
		return finding{Fail, fmt.Sprintf("asked at %s: %s", host, errorText(err)), "see that this machine reaches " + host + ", and that " + q.hostSetting() + " is right"}
	}
	f := unanswered(err)
	f.detail += "; asked at " + host
	return f
}

// hostSetting returns the setting that the host comes from.
func (q *queue) hostSetting() string {
	switch u, err := url.Parse(q.URL); {
	case q.machine.conf.AWS.EndpointURL != "":
		return "aws.endpoint_url"
	case err == nil && u.Host != queueclient.Host(q.api):
		return "the AWS environment (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, AWS_USE_FIPS_ENDPOINT)"
	}
	return "queue.url"
}

func gone(err error) bool {
	var missing *types.QueueDoesNotExist
	return errors.As(err, &missing) || strings.Contains(code(err), "NonExistentQueue") || code(err) == "QueueDoesNotExist"
}
