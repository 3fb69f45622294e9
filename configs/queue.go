package configs

import (
	"errors"
	"net/url"
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
		if err != nil || p.service != "sqs" || !regionName.MatchString(p.region) || !accountID.MatchString(p.account) {
			return QueueRef{}, errQueue
		}
		host := "sqs." + p.region + ".amazonaws.com"
		if p.partition == "aws-cn" {
			host += ".cn"
		}
		return QueueRef{URL: "https://" + host + "/" + p.account + "/" + p.resource, Region: p.region, Account: p.account, Name: p.resource}, nil
	}
	u, err := url.Parse(q.URL)
	if err != nil || !isURL(q.URL) {
		return QueueRef{}, errQueue
	}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(path) < 2 || path[len(path)-1] == "" || !accountID.MatchString(path[len(path)-2]) {
		return QueueRef{}, errQueue
	}
	r := QueueRef{URL: q.URL, Account: path[len(path)-2], Name: path[len(path)-1]}
	host := strings.Split(u.Hostname(), ".")
	switch {
	case len(path) == 4 && path[0] == "queue" && regionName.MatchString(path[1]):
		r.Region = path[1]
	case len(host) > 1 && regionName.MatchString(host[1]) && (host[0] == "sqs" || host[0] == "sqs-fips"):
		r.Region = host[1]
	case len(host) > 1 && host[1] == "queue" && regionName.MatchString(host[0]):
		r.Region = host[0]
	}
	return r, nil
}
