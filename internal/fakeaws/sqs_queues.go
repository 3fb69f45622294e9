package fakeaws

import (
	"cmp"
	"container/list"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sqsCooldown is how long after DeleteQueue the name cannot be used again, and
// after PurgeQueue the queue cannot be purged again.
const sqsCooldown = time.Minute

// queueAt finds the queue that a URL names, as this caller sees it. The last
// two elements of the path are account and name; the Region is in the path
// (/queue/REGION/…), in the host (sqs.REGION.…) or else the caller's. A queue
// of another Region is refused as AWS's regional endpoints do.
func (s *sqsService) queueAt(queueURL string, c Caller) (*queue, error) {
	if queueURL == "" {
		return nil, missingParameter("QueueUrl")
	}
	u, err := url.Parse(queueURL)
	if err != nil {
		return nil, badAddress(queueURL)
	}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(path) < 2 {
		return nil, badAddress(queueURL)
	}
	if region := queueURLRegion(u, path); region != "" && region != c.Region {
		return nil, badAddress(queueURL)
	}
	account, name := path[len(path)-2], path[len(path)-1]
	q := s.queues[queueARN(c.Region, account, name)]
	if q == nil {
		return nil, queueDoesNotExist()
	}
	return q, q.admit(c)
}

func badAddress(queueURL string) *Error {
	return sqsErr("InvalidAddress", "InvalidAddress", "The address %s is not valid for this endpoint.", queueURL).WithStatus(http.StatusNotFound)
}

func queueURLRegion(u *url.URL, path []string) string {
	if len(path) == 4 && path[0] == "queue" {
		return path[1]
	}
	if rest, ok := strings.CutPrefix(u.Hostname(), "sqs."); ok {
		region, _, _ := strings.Cut(rest, ".")
		return region
	}
	return ""
}

func queueARN(region, account, name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", region, account, name)
}

// admit lets another account in if the queue has a policy at all; which one is
// not evaluated.
func (q *queue) admit(c Caller) error {
	if q.account == c.Account || q.settings.text["Policy"] != "" {
		return nil
	}
	return sqsErr("AccessDeniedException", "AccessDenied",
		"Access to the resource %s is denied.", q.arn).WithStatus(http.StatusForbidden)
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

type queueURLOutput struct{ QueueUrl string }

func (s *sqsService) createQueue(req *Request, in *createQueueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := queueARN(req.Caller.Region, req.Caller.Account, in.QueueName)
	if at, ok := s.deleted[arn]; ok && s.now().Sub(at) < sqsCooldown {
		return nil, sqsErr("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently",
			"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	q, err := s.ensureQueue(req.Caller.Account, req.Caller.Region, in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return queueURLOutput{q.url(req.HTTP.Host)}, nil
}

func (q *queue) url(host string) string {
	return fmt.Sprintf("http://%s/queue/%s/%s/%s", host, q.region, q.account, q.name)
}

// ensureQueue creates a queue, or finds the one of that name whose attributes
// are as asked for.
func (s *sqsService) ensureQueue(account, region, name string, attrs map[string]string) (*queue, error) {
	if name == "" {
		return nil, missingParameter("QueueName")
	}
	if !nameLike(name, 80) {
		return nil, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	arn := queueARN(region, account, name)
	if q := s.queues[arn]; q != nil {
		return q, q.sameAs(attrs)
	}
	settings, err := s.settingsFor(region, account, nil, attrs)
	if err != nil {
		return nil, err
	}
	now := s.now()
	q := &queue{
		arn: arn, account: account, region: region, name: name,
		settings: settings, created: now, modified: now,
		messages: map[uint64]*message{}, ready: list.New(),
	}
	s.queues[arn] = q
	return q, nil
}

func (q *queue) sameAs(attrs map[string]string) error {
	for name, value := range attrs {
		if q.settings.text[name] != value {
			return sqsErr("QueueNameExists", "QueueAlreadyExists",
				"A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

// settingsFor also checks what only the service knows: that a dead-letter
// queue exists beside the queue.
func (s *sqsService) settingsFor(region, account string, base, set map[string]string) (queueSettings, error) {
	settings, err := newSettings(base, set)
	if err != nil {
		return queueSettings{}, err
	}
	if set["RedrivePolicy"] == "" {
		return settings, nil
	}
	target := s.queues[settings.redrive.target]
	if target == nil || target.region != region || target.account != account {
		return queueSettings{}, badRedrive(set["RedrivePolicy"], "Dead letter target does not exist.")
	}
	return settings, nil
}

type getQueueURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountId string
}

func (s *sqsService) getQueueURL(req *Request, in *getQueueURLInput) (any, error) {
	if in.QueueName == "" {
		return nil, missingParameter("QueueName")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueARN(req.Caller.Region, cmp.Or(in.QueueOwnerAWSAccountId, req.Caller.Account), in.QueueName)]
	if q == nil {
		return nil, queueDoesNotExist()
	}
	return queueURLOutput{q.url(req.HTTP.Host)}, q.admit(req.Caller)
}

type getQueueAttributesInput struct {
	QueueUrl       string
	AttributeNames []string
}

type queueAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *sqsService) getQueueAttributes(req *Request, in *getQueueAttributesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	q.settle(s.now())
	names := in.AttributeNames
	if slices.Contains(names, "All") {
		names = queueAttributeNames()
	}
	out := queueAttributesOutput{map[string]string{}}
	for _, name := range names {
		if !slices.Contains(queueAttributeNames(), name) {
			return nil, unknownAttribute(name)
		}
		if value, ok := q.attribute(name); ok {
			out.Attributes[name] = value
		}
	}
	return out, nil
}

type setQueueAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string
}

func (s *sqsService) setQueueAttributes(req *Request, in *setQueueAttributesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attribute.Name")
	}
	settings, err := s.settingsFor(q.region, q.account, q.settings.text, in.Attributes)
	if err != nil {
		return nil, err
	}
	q.settings, q.modified = settings, s.now()
	return nil, nil
}

type queueURLInput struct{ QueueUrl string }

func (s *sqsService) purgeQueue(req *Request, in *queueURLInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if !q.purged.IsZero() && now.Sub(q.purged) < sqsCooldown {
		return nil, sqsErr("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress",
			"Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name).WithStatus(http.StatusForbidden)
	}
	q.purged = now
	for _, m := range q.messages {
		q.remove(m)
	}
	return nil, nil
}

func (s *sqsService) deleteQueue(req *Request, in *queueURLInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	q.gone = true
	q.announce()
	delete(s.queues, q.arn)
	s.deleted[q.arn] = s.now()
	return nil, nil
}
