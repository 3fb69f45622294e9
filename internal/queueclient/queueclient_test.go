package queueclient_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
)

// wire is an HTTP transport that answers every request. It notes the host, the Region in the signature, and the
// operation of the last one.
type wire struct{ dialed, region, target string }

var credential = regexp.MustCompile(`Credential=[^/]+/\d{8}/([^/]+)/sqs/aws4_request`)

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.dialed, w.target = r.URL.Scheme+"://"+r.URL.Host, r.Header.Get("X-Amz-Target")
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		w.region = m[1]
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

func base(w *wire) aws.Config {
	return aws.Config{Region: "eu-central-1", HTTPClient: &http.Client{Transport: w}, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "any", ""), RetryMaxAttempts: 1}
}

// ask makes one call with the client of a configuration.
func ask(t *testing.T, w *wire, cfg aws.Config, c configs.Config) {
	t.Helper()
	client, q, err := queueclient.New(cfg, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL}); err != nil {
		t.Fatal(err)
	}
	if host := queueclient.Host(client); w.dialed != "https://"+host && w.dialed != "http://"+host {
		t.Errorf("%s: dialed %s, and Host returns %s", c.Queue.URL, w.dialed, host)
	}
}

func of(url string) (c configs.Config) {
	c.Queue.URL = url
	return c
}

// TestTheQueuesOwnHostIsAsked: the SDK calls the host in queue.url, and signs for the Region that this host or path
// names. AWS_ENDPOINT_URL, which is for all services, does not change that.
func TestTheQueuesOwnHostIsAsked(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ url, dialed, region string }{
		{"https://sqs.eu-west-1.amazonaws.com/111122223333/q", "https://sqs.eu-west-1.amazonaws.com", "eu-west-1"},
		{"https://vpce-0123456789abcdef0-abcdefgh.sqs.eu-west-1.vpce.amazonaws.com/111122223333/q", "https://vpce-0123456789abcdef0-abcdefgh.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"},
		{"https://vpce-0123456789abcdef0-abcdefgh.sqs.cn-north-1.vpce.amazonaws.com.cn/111122223333/q", "https://vpce-0123456789abcdef0-abcdefgh.sqs.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1"},
		{"https://vpce-0123456789abcdef0-abcdefgh.sqs-fips.us-gov-west-1.vpce.amazonaws.com/111122223333/q", "https://vpce-0123456789abcdef0-abcdefgh.sqs-fips.us-gov-west-1.vpce.amazonaws.com", "us-gov-west-1"},
		{"https://sqs-fips.us-east-1.amazonaws.com/111122223333/q", "https://sqs-fips.us-east-1.amazonaws.com", "us-east-1"},
		{"https://sqs.us-east-2.api.aws/111122223333/q", "https://sqs.us-east-2.api.aws", "us-east-2"},
		{"https://us-west-2.queue.amazonaws.com/111122223333/q", "https://us-west-2.queue.amazonaws.com", "us-west-2"},
		{"https://queue.amazonaws.com/111122223333/q", "https://queue.amazonaws.com", "us-east-1"},
		{"https://cn-north-1.queue.amazonaws.com.cn/111122223333/q", "https://cn-north-1.queue.amazonaws.com.cn", "cn-north-1"},
		{"https://sqs.us-iso-east-1.c2s.ic.gov/111122223333/q", "https://sqs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
		{"https://sqs.us-isob-east-1.sc2s.sgov.gov/111122223333/q", "https://sqs.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
		{"https://sqs.eusc-de-east-1.amazonaws.eu/111122223333/q", "https://sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
		{"http://localhost:4566/queue/eu-west-3/000000000000/q", "http://localhost:4566", "eu-west-3"},
		{"http://localhost:4566/000000000000/q", "http://localhost:4566", "eu-central-1"}, // the URL names no Region: that of the SDK's configuration
		{"http://sqs.ap-south-1.localhost.localstack.cloud:4566/000000000000/q", "http://sqs.ap-south-1.localhost.localstack.cloud:4566", "ap-south-1"},
		{"http://queue.localhost.localstack.cloud:4566/000000000000/q", "http://queue.localhost.localstack.cloud:4566", "us-east-1"},
		{"http://[::1]:9324/000000000000/q", "http://[::1]:9324", "eu-central-1"},
		{"https://sqs.internal.example.com/111122223333/q", "https://sqs.internal.example.com", "eu-central-1"},
	} {
		t.Run(x.url, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			cfg := base(w)
			ask(t, w, cfg, of(x.url))
			if w.dialed != x.dialed || w.region != x.region {
				t.Errorf("dialed %s, signed for %s", w.dialed, w.region)
			}
			cfg.BaseEndpoint = aws.String("http://127.0.0.1:4566") // as AWS_ENDPOINT_URL, which is for all services
			if ask(t, w, cfg, of(x.url)); w.dialed != x.dialed || w.region != x.region {
				t.Errorf("with an endpoint for all services: dialed %s, signed for %s", w.dialed, w.region)
			}
		})
	}
}

// TestAnARNIsAskedAtItsPartitionsHost: if queue.url is an ARN, the client calls the host of SQS in the ARN's Region and
// partition.
func TestAnARNIsAskedAtItsPartitionsHost(t *testing.T) {
	t.Parallel()
	for arn, host := range map[string]string{
		"arn:aws:sqs:eu-west-1:111122223333:q":             "sqs.eu-west-1.amazonaws.com",
		"arn:aws-us-gov:sqs:us-gov-west-1:111122223333:q":  "sqs.us-gov-west-1.amazonaws.com",
		"arn:aws-cn:sqs:cn-northwest-1:111122223333:q":     "sqs.cn-northwest-1.amazonaws.com.cn",
		"arn:aws-iso:sqs:us-iso-east-1:111122223333:q":     "sqs.us-iso-east-1.c2s.ic.gov",
		"arn:aws-iso-b:sqs:us-isob-east-1:111122223333:q":  "sqs.us-isob-east-1.sc2s.sgov.gov",
		"arn:aws-iso-e:sqs:eu-isoe-west-1:111122223333:q":  "sqs.eu-isoe-west-1.cloud.adc-e.uk",
		"arn:aws-iso-f:sqs:us-isof-south-1:111122223333:q": "sqs.us-isof-south-1.csp.hci.ic.gov",
		"arn:aws-eusc:sqs:eusc-de-east-1:111122223333:q":   "sqs.eusc-de-east-1.amazonaws.eu",
	} {
		t.Run(arn, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			ask(t, w, base(w), of(arn))
			q, err := of(arn).Queue.Parse()
			if err != nil || q.URL != "https://"+host+"/111122223333/q" || w.dialed != "https://"+host || w.region != q.Region {
				t.Errorf("%+v, dialed %s, signed for %s, %v", q, w.dialed, w.region, err)
			}
		})
	}
}

// TestWhatWinsOverTheQueuesHost: aws.endpoint_url has precedence over everything, and an endpoint for SQS alone over
// the host in queue.url. An endpoint for all services has precedence only over the host that is made from an ARN.
func TestWhatWinsOverTheQueuesHost(t *testing.T) {
	for name, x := range map[string]struct{ url, ofAll, ofSQS, configured, dialed string }{
		"AWS's URL, endpoint_url":         {"https://sqs.eu-west-1.amazonaws.com/111122223333/q", "http://all:1", "http://sqs:2", "http://configured:3", "http://configured:3"},
		"AWS's URL, AWS_ENDPOINT_URL_SQS": {"https://sqs.eu-west-1.amazonaws.com/111122223333/q", "http://all:1", "http://sqs:2", "", "http://sqs:2"},
		"own URL, AWS_ENDPOINT_URL":       {"http://own:4/111122223333/q", "http://all:1", "", "", "http://own:4"},
		"own URL, endpoint_url":           {"http://own:4/111122223333/q", "http://all:1", "http://sqs:2", "http://configured:3", "http://configured:3"},
		"ARN, AWS_ENDPOINT_URL_SQS":       {"arn:aws:sqs:eu-west-1:111122223333:q", "http://all:1", "http://sqs:2", "", "http://sqs:2"},
		"ARN, AWS_ENDPOINT_URL":           {"arn:aws:sqs:eu-west-1:111122223333:q", "http://all:1", "", "", "http://all:1"},
		"ARN, endpoint_url":               {"arn:aws:sqs:eu-west-1:111122223333:q", "", "", "http://configured:3", "http://configured:3"},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range map[string]string{"AWS_ENDPOINT_URL": x.ofAll, "AWS_ENDPOINT_URL_SQS": x.ofSQS} {
				set(t, name, value)
			}
			w := &wire{}
			ask(t, w, loaded(t, w), configs.Config{Queue: configs.Queue{URL: x.url}, AWS: configs.AWS{EndpointURL: x.configured}})
			if w.dialed != x.dialed || w.region != "eu-west-1" && strings.Contains(x.url, "eu-west-1") {
				t.Errorf("%+v: dialed %s, signed for %s", x, w.dialed, w.region)
			}
		})
	}
}

// TestFIPSAndDualStackOfTheEnvironment: these settings of the environment replace the standard host of SQS, and no
// other host: with them, the SDK would refuse each call to another host.
func TestFIPSAndDualStackOfTheEnvironment(t *testing.T) {
	set(t, "AWS_ENDPOINT_URL", "")
	set(t, "AWS_USE_FIPS_ENDPOINT", "true")
	for url, dialed := range map[string]string{
		"https://sqs.us-east-1.amazonaws.com/111122223333/q":               "https://sqs-fips.us-east-1.amazonaws.com",
		"https://SQS.us-east-1.AmazonAWS.com/111122223333/q":               "https://sqs-fips.us-east-1.amazonaws.com",
		"https://sqs.us-east-1.amazonaws.com:443/111122223333/q":           "https://sqs-fips.us-east-1.amazonaws.com",
		"https://sqs-fips.us-east-1.amazonaws.com/111122223333/q":          "https://sqs-fips.us-east-1.amazonaws.com",
		"https://vpce-1-2.sqs.us-east-1.vpce.amazonaws.com/111122223333/q": "https://vpce-1-2.sqs.us-east-1.vpce.amazonaws.com",
		"arn:aws:sqs:us-east-1:111122223333:q":                             "https://sqs-fips.us-east-1.amazonaws.com",
	} {
		t.Run("FIPS, "+url, func(t *testing.T) {
			w := &wire{}
			if ask(t, w, loaded(t, w), of(url)); w.dialed != dialed || w.region != "us-east-1" {
				t.Errorf("dialed %s, signed for %s", w.dialed, w.region)
			}
		})
	}
	set(t, "AWS_USE_FIPS_ENDPOINT", "")
	set(t, "AWS_USE_DUALSTACK_ENDPOINT", "true")
	w := &wire{}
	if ask(t, w, loaded(t, w), of("https://sqs.eu-west-1.amazonaws.com/111122223333/q")); w.dialed != "https://sqs.eu-west-1.api.aws" {
		t.Errorf("dual stack: dialed %s", w.dialed)
	}
	if ask(t, w, loaded(t, w), of("http://localhost:4566/queue/eu-west-1/000000000000/q")); w.dialed != "http://localhost:4566" {
		t.Errorf("dual stack, localhost: dialed %s", w.dialed)
	}
}

// loaded returns the configuration that the SDK reads from the environment.
func loaded(t *testing.T, w *wire) aws.Config {
	t.Helper()
	set(t, "AWS_CONFIG_FILE", t.TempDir()+"/none")
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "any", "")))
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = &http.Client{Transport: w}
	return cfg
}

// set sets a variable. An empty value removes it, because the SDK treats an empty variable as set.
func set(t *testing.T, name, value string) {
	t.Helper()
	t.Setenv(name, value)
	if value == "" {
		if err := os.Unsetenv(name); err != nil { // the cleanup of Setenv restores the old value
			t.Fatal(err)
		}
	}
}
