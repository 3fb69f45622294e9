package queueclient

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/configs"
)

// New returns a client for the configured queue, and the queue. The client connects to
// the first of these that is set: aws.endpoint_url; an endpoint that the environment or
// the shared files set for SQS alone (AWS_ENDPOINT_URL_SQS); the scheme and host of
// queue.url; and, if an ARN names the queue, the endpoint that the SDK knows. It fails if
// queue.url is no queue. It makes no call.
func New(base aws.Config, c configs.Config) (*sqs.Client, configs.QueueRef, error) {
	q, err := c.Queue.Parse()
	if err != nil {
		return nil, q, err
	}
	client := sqs.NewFromConfig(base, func(o *sqs.Options) {
		if q.Region != "" {
			o.Region = q.Region
		}
		switch {
		case c.AWS.EndpointURL != "":
			o.BaseEndpoint = aws.String(c.AWS.EndpointURL)
		case ofSQSAlone(base, *o) || q.Endpoint == "":
		case strings.EqualFold(strings.TrimSuffix(q.Endpoint, ":443"), resolved(sqs.Options{Region: o.Region})):
			o.BaseEndpoint = nil // the SDK finds this endpoint itself, or the FIPS or dual-stack one if that is configured
		default:
			o.BaseEndpoint = aws.String(q.Endpoint)
			// With these options and a base endpoint the SDK refuses every call.
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		}
	})
	return client, q, nil
}

// ofSQSAlone reports whether an endpoint was set for SQS and not for every service.
func ofSQSAlone(base aws.Config, o sqs.Options) bool {
	return o.BaseEndpoint != nil && (base.BaseEndpoint == nil || *base.BaseEndpoint != *o.BaseEndpoint)
}

// Host returns the host that a client connects to, with its port if the URL has one;
// empty if the SDK knows none, and refuses every call.
func Host(c *sqs.Client) string {
	o := c.Options()
	text := aws.ToString(o.BaseEndpoint)
	if text == "" {
		text = resolved(o)
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// resolved returns the endpoint that the SDK knows for a Region; empty: none.
func resolved(o sqs.Options) string {
	at, err := sqs.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), sqs.EndpointParameters{
		Region:       aws.String(o.Region),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return ""
	}
	return at.URI.String()
}
