package deploy_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/test/localstack"
)

const region = "eu-west-1"

// place is an account in a Region of a LocalStack.
type place struct {
	inst            *localstack.Instance
	account, region string

	ec2    *ec2.Client
	s3     *s3.Client
	sqs    *sqs.Client
	events *eventbridge.Client
}

// somewhere is in a new account: for LocalStack, an access key of twelve digits is the account.
func somewhere(inst *localstack.Instance) *place {
	return newPlace(inst, fmt.Sprintf("%012d", 100_000_000_000+rand.Int64N(800_000_000_000)), region)
}

func newPlace(inst *localstack.Instance, account, region string) *place {
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(inst.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(account, "any-secret", ""),
	}
	return &place{inst: inst, account: account, region: region,
		ec2: ec2.NewFromConfig(cfg), s3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		sqs: sqs.NewFromConfig(cfg), events: eventbridge.NewFromConfig(cfg)}
}

// in is another Region of the account.
func (p *place) in(region string) *place { return newPlace(p.inst, p.account, region) }

type outputs map[string]string

type described struct {
	Stacks []struct {
		ID      string `xml:"StackId"`
		Status  string `xml:"StackStatus"`
		Reason  string `xml:"StackStatusReason"`
		Outputs []struct {
			Key   string `xml:"OutputKey"`
			Value string `xml:"OutputValue"`
		} `xml:"Outputs>member"`
	} `xml:"DescribeStacksResult>Stacks>member"`
}

// deploy makes a stack from a template of deploy/, and waits for it.
func (p *place) deploy(t *testing.T, stack, file string, parameters map[string]string) outputs {
	t.Helper()
	out, err := p.create(t.Context(), stack, string(read(t, templatePath(file))), parameters)
	must(t, err)
	return out
}

// create makes a stack from the text of a template, and waits for it.
func (p *place) create(ctx context.Context, stack, template string, parameters map[string]string) (outputs, error) {
	form := url.Values{
		"Action": {"CreateStack"}, "StackName": {stack}, "TemplateBody": {template}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"},
	}
	n := 0
	for k, v := range parameters {
		n++
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", n), k)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", n), v)
	}
	if _, err := p.cloudFormation(ctx, form); err != nil {
		return nil, err
	}
	return p.settled(ctx, stack, "CREATE_COMPLETE")
}

// delete deletes a stack, and waits until it is gone.
func (p *place) delete(ctx context.Context, stack string) error {
	text, err := p.cloudFormation(ctx, url.Values{"Action": {"DescribeStacks"}, "StackName": {stack}})
	if err != nil {
		return err
	}
	var d described
	if err := xml.Unmarshal(text, &d); err != nil || len(d.Stacks) != 1 {
		return fmt.Errorf("stack %s: %w: %s", stack, err, text)
	}
	if _, err := p.cloudFormation(ctx, url.Values{"Action": {"DeleteStack"}, "StackName": {stack}}); err != nil {
		return err
	}
	_, err = p.settled(ctx, d.Stacks[0].ID, "DELETE_COMPLETE")
	return err
}

// settled waits until AWS has finished with a stack. It returns the stack's outputs if it ended in this state.
func (p *place) settled(ctx context.Context, stack, state string) (outputs, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	every := time.NewTicker(300 * time.Millisecond) // not faster, because each call is work for LocalStack
	defer every.Stop()
	for {
		text, err := p.cloudFormation(ctx, url.Values{"Action": {"DescribeStacks"}, "StackName": {stack}})
		var d described
		if err == nil {
			err = xml.Unmarshal(text, &d)
		}
		if err != nil || len(d.Stacks) != 1 {
			return nil, fmt.Errorf("stack %s: %w: %s", stack, err, text)
		}
		s := d.Stacks[0]
		switch {
		case s.Status == state:
			out := outputs{}
			for _, o := range s.Outputs {
				out[o.Key] = o.Value
			}
			return out, nil
		case !strings.HasSuffix(s.Status, "_IN_PROGRESS"):
			events, err := p.cloudFormation(ctx, url.Values{"Action": {"DescribeStackEvents"}, "StackName": {stack}})
			return nil, fmt.Errorf("stack %s: %s %s, want %s\n%s\n%v", stack, s.Status, s.Reason, state, events, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("stack %s: %s: %w", stack, s.Status, ctx.Err())
		case <-every.C:
		}
	}
}

func (p *place) cloudFormation(ctx context.Context, form url.Values) ([]byte, error) {
	form.Set("Version", "2010-05-15")
	return p.query(ctx, "cloudformation", form)
}

// query calls a service with the Query protocol by itself, because a few calls are not worth a module. LocalStack
// reads account and Region from the scope of the signature, and does not check the signature.
func (p *place) query(ctx context.Context, service string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.inst.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", p.account, p.region, service))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", form.Get("Action"), resp.Status, text)
	}
	return text, err
}

// put sends a record as CloudTrail does: to the bus of its own account and Region.
func (p *place) put(t *testing.T, record string) {
	t.Helper()
	out, err := p.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		Source: aws.String("aws.ec2"), DetailType: aws.String("AWS API Call via CloudTrail"), Detail: &record,
	}}})
	must(t, err)
	if out.FailedEntryCount != 0 {
		t.Fatalf("the event was refused: %+v", out.Entries)
	}
}

func (p *place) attributes(t *testing.T, url string) map[string]string {
	t.Helper()
	out, err := p.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	must(t, err)
	return out.Attributes
}

// empty returns an error unless every message of a queue was acknowledged.
func (p *place) empty(t *testing.T, url string) error {
	t.Helper()
	have := p.attributes(t, url)
	for _, a := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if have[a] != "0" {
			return fmt.Errorf("%s: %s is %s", url, a, have[a])
		}
	}
	return nil
}
