package configs

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// QueueRef is the queue that queue.url names.
type QueueRef struct {
	URL     string // what SQS's calls have as QueueUrl
	Region  string // that requests are signed for; empty if the URL does not state it
	Account string
	Name    string
	// Endpoint is the scheme and host (with its port) that the URL states: SQS is
	// asked there. Empty where an ARN names the queue.
	Endpoint string
}

var (
	errQueue = errors.New("write the queue's URL, such as https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper, or its ARN")
	errFIFO  = errors.New("is a FIFO queue: one message that can't be handled holds back every later one of its group, so that deletions go unseen for up to 15 minutes; make a standard queue (docs/setup.md) and name that")
)

// Parse reads queue.url: a queue's URL as AWS or LocalStack write it, or its
// ARN.
func (q Queue) Parse() (QueueRef, error) {
	parse := parseQueueURL
	if strings.HasPrefix(q.URL, "arn:") {
		parse = parseQueueARN
	}
	ref, err := parse(q.URL)
	if err == nil && strings.HasSuffix(ref.Name, ".fifo") {
		return QueueRef{}, errFIFO
	}
	return ref, err
}

func (check checks) queue(c Config, need bool) {
	_, err := c.Queue.Parse()
	check.require(c.Queue.URL != "" || !need, "queue.url", "", "is required: write the URL or the ARN of the SQS queue")
	check.require(c.Queue.URL == "" || err == nil, "queue.url", c.Queue.URL, "%v", err)
	check.seconds("queue.wait_time", c.Queue.WaitTime, 20*time.Second)
	check.seconds("queue.visibility_timeout", c.Queue.VisibilityTimeout, 12*time.Hour)
}

// seconds checks a duration that SQS takes: whole seconds, at least one.
func (check checks) seconds(key string, d, most time.Duration) {
	check.between(key, d, time.Second, most)
	check.require(d%time.Second == 0, key, Tidy(d), "SQS counts whole seconds: write %s", Tidy(d.Round(time.Second)))
}

func parseQueueARN(text string) (QueueRef, error) {
	a, err := parseARN(text)
	if err != nil || !inRegion(a, "sqs", queueName) {
		return QueueRef{}, errQueue
	}
	right := partitionOf(a.Region)
	switch {
	case !slices.ContainsFunc(partitions, func(p awsPartition) bool { return p.name == a.Partition }):
		return QueueRef{}, fmt.Errorf("is of a partition whose hosts are not known here (%s): write the queue's URL", a.Partition)
	case right.name != a.Partition:
		return QueueRef{}, fmt.Errorf("names the partition %s, but %s is a Region of %s: write arn:%s:…", a.Partition, a.Region, right.name, right.name)
	}
	return QueueRef{URL: "https://sqs." + a.Region + "." + right.suffix + "/" + a.AccountID + "/" + a.Resource, Region: a.Region, Account: a.AccountID, Name: a.Resource}, nil
}

func parseQueueURL(text string) (QueueRef, error) {
	u, err := url.Parse(text)
	if err != nil || !isURL(text) || strings.ContainsAny(text, "@?#") {
		return QueueRef{}, errQueue
	}
	host := strings.ToLower(u.Hostname())
	region := regionOf(host)
	path := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if len(path) == 4 && path[0] == "queue" && regionName.MatchString(path[1]) { // LocalStack
		region, path = path[1], path[2:]
	}
	if len(path) != 2 || !accountID.MatchString(path[0]) || !queueName.MatchString(path[1]) {
		return QueueRef{}, errQueue
	}
	if u.Scheme == "http" && ofAWS(host) {
		return QueueRef{}, errors.New("is plain http: write https")
	}
	return QueueRef{URL: text, Region: region, Account: path[0], Name: path[1], Endpoint: u.Scheme + "://" + u.Host}, nil
}

var queueName = regexp.MustCompile(`^([\w-]{1,80}|[\w-]{1,75}\.fifo)$`)

// awsPartition is a partition of AWS. The names of its hosts end with suffix, or with
// dual if they also have IPv6 addresses; the names of its Regions begin with prefix. The
// SDK has the same table, but does not export it.
type awsPartition struct{ name, prefix, suffix, dual string }

var partitions = []awsPartition{
	{"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"aws", "", "amazonaws.com", "api.aws"}, // every other Region
}

func partitionOf(region string) awsPartition {
	return partitions[slices.IndexFunc(partitions, func(p awsPartition) bool { return strings.HasPrefix(region, p.prefix) })]
}

// ofAWS reports whether a host is AWS's own, in any partition.
func ofAWS(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(partitions, func(p awsPartition) bool {
		return strings.HasSuffix(host, "."+p.suffix) || strings.HasSuffix(host, "."+p.dual)
	})
}

// regionOf returns the Region that a host of SQS names; empty: none. It knows
// sqs.REGION.… and sqs-fips.REGION.…, also after the name of a VPC endpoint; the older
// REGION.queue.…; and the oldest, queue.…, which is us-east-1 for AWS and LocalStack.
func regionOf(host string) string {
	label := strings.Split(host, ".")
	for i := range len(label) - 1 {
		switch {
		case (label[i] == "sqs" || label[i] == "sqs-fips") && regionName.MatchString(label[i+1]):
			return label[i+1]
		case label[i+1] == "queue" && regionName.MatchString(label[i]):
			return label[i]
		}
	}
	if host == "queue.amazonaws.com" || host == "queue.localhost.localstack.cloud" {
		return "us-east-1"
	}
	return ""
}
