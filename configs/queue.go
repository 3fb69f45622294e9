package configs

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// QueueRef is the queue that queue.url names.
type QueueRef struct {
	URL     string
	Region  string // empty if the URL does not tell
	Account string
	Name    string
}

var errQueue = errors.New("write the queue's URL, such as https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper, or its ARN")

// Parse reads queue.url: a queue's URL as AWS or LocalStack write it, or its
// ARN.
func (q Queue) Parse() (QueueRef, error) {
	if strings.HasPrefix(q.URL, "arn:") {
		p, err := arn(q.URL)
		if err != nil || p.service != "sqs" || !regionName.MatchString(p.region) || !accountID.MatchString(p.account) || !queueName.MatchString(p.resource) {
			return QueueRef{}, errQueue
		}
		host := "sqs." + p.region + ".amazonaws.com"
		if p.partition == "aws-cn" {
			host += ".cn"
		}
		return QueueRef{URL: "https://" + host + "/" + p.account + "/" + p.resource, Region: p.region, Account: p.account, Name: p.resource}, nil
	}
	u, err := url.Parse(q.URL)
	if err != nil || !isURL(q.URL) || strings.ContainsAny(q.URL, "@?#") {
		return QueueRef{}, errQueue
	}
	path := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	inPath := len(path) == 4 && path[0] == "queue" && regionName.MatchString(path[1]) // LocalStack
	if len(path) != 2 && !inPath || !accountID.MatchString(path[len(path)-2]) || !queueName.MatchString(path[len(path)-1]) {
		return QueueRef{}, errQueue
	}
	if u.Scheme == "http" && strings.Contains(u.Host, ".amazonaws.com") {
		return QueueRef{}, errors.New("is plain http: write https")
	}
	r := QueueRef{URL: q.URL, Account: path[len(path)-2], Name: path[len(path)-1]}
	if r.Region = regionOf(u.Hostname()); inPath {
		r.Region = path[1]
	}
	return r, nil
}

var queueName = regexp.MustCompile(`^([\w-]{1,80}|[\w-]{1,75}\.fifo)$`)

// regionOf knows sqs.REGION.…, also behind the name of a VPC endpoint, and the
// older REGION.queue.….
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
	return ""
}
