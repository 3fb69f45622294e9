package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/queueclient"
	"flowkeeper/inventory"
)

func (e *exam) askQueue(ctx context.Context) (map[string]string, error) {
	return attributesOf(ctx, e.queueAPI, e.queue.URL)
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

func (e *exam) ownFail() string {
	if _, err := e.own(); err != nil {
		return "our own credentials do not work"
	}
	return ""
}

func (e *exam) queueFail() string {
	if why := e.ownFail(); why != "" {
		return why
	}
	if _, err := e.attrs(); err != nil {
		return "the queue can't be asked"
	}
	return ""
}

// queueARN returns the ARN that the queue states, or the one that queue.url means.
func (e *exam) queueARN() string {
	if a, err := e.attrs(); err == nil && a["QueueArn"] != "" {
		return a["QueueArn"]
	}
	return fmt.Sprintf("arn:%s:sqs:%s:%s:%s", inventory.Partition(e.queue.Region), e.queue.Region, e.queue.Account, e.queue.Name)
}

// queueAnswers judges whether the queue returns its attributes. It receives nothing, which would
// hide messages from the daemon.
func (e *exam) queueAnswers(ctx context.Context) finding {
	a, err := e.attrs()
	host := queueclient.Host(e.queueAPI)
	if err == nil {
		return fine("%s at %s", a["QueueArn"], host)
	}
	if gone(err) {
		return finding{Fail, fmt.Sprintf("%s says that there is no queue %s in account %s, Region %s", host, e.queue.Name, e.queue.Account, e.queue.Region),
			fmt.Sprintf("aws sqs get-queue-url --queue-name %s --queue-owner-aws-account-id %s --region %s; set queue.url to the answer, or make the queue anew: step 1 of docs/setup.md#by-hand", e.queue.Name, e.queue.Account, e.queue.Region)}
	}
	if c := code(err); c == "" || strings.Contains(c, "Token") || strings.HasPrefix(c, "InvalidAddress") {
		return finding{Fail, fmt.Sprintf("asked at %s: %s", host, errorText(err)), "see that this machine reaches " + host + ", and that " + e.hostSetting() + " is right"}
	}
	f := unanswered(err)
	f.detail += "; asked at " + host
	return f
}

// hostSetting returns the setting that the host comes from.
func (e *exam) hostSetting() string {
	switch u, err := url.Parse(e.queue.URL); {
	case e.d.Config.AWS.EndpointURL != "":
		return "aws.endpoint_url"
	case err == nil && u.Host != queueclient.Host(e.queueAPI):
		return "the AWS environment (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, AWS_USE_FIPS_ENDPOINT)"
	}
	return "queue.url"
}

func gone(err error) bool {
	var missing *types.QueueDoesNotExist
	return errors.As(err, &missing) || strings.Contains(code(err), "NonExistentQueue") || code(err) == "QueueDoesNotExist"
}
