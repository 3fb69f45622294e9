package fakeawstest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"flowkeeper/internal/fakeaws"
)

// maxNotificationBytes is the most that a published message may have.
const maxNotificationBytes = 256 << 10

// snsService is SNS as the query protocol shows it: standard topics to publish to, without
// subscribers.
type snsService struct {
	fakeaws.Query

	mu     sync.Mutex          // guards what follows
	topics map[string][]string // the messages that were published, by the topic's ARN; nil: there is no such topic
	last   int                 // of the messages of all topics
}

func newSNS() *snsService {
	return &snsService{Query: fakeaws.Query{Namespace: "http://sns.amazonaws.com/doc/2010-03-31/"}, topics: map[string][]string{}}
}

// CreateTopic makes a topic and returns its ARN; one that exists is kept.
func (w *World) CreateTopic(account, region, name string) (arn string) {
	w.sns.mu.Lock()
	defer w.sns.mu.Unlock()
	arn = fmt.Sprintf("arn:aws:sns:%s:%s:%s", region, account, name)
	if w.sns.topics[arn] == nil {
		w.sns.topics[arn] = []string{}
	}
	return arn
}

// Published returns the messages that were published to the topic, oldest first.
func (w *World) Published(topicARN string) []string {
	w.sns.mu.Lock()
	defer w.sns.mu.Unlock()
	return slices.Clone(w.sns.topics[topicARN])
}

// Answer implements Service.
func (s *snsService) Answer(out http.ResponseWriter, q *fakeaws.Request) error {
	if q.Operation != "Publish" {
		return fakeaws.Errorf("InvalidAction", "The action %s is not valid for this web service.", q.Operation)
	}
	id, err := s.publish(q.Form, q.Region)
	if err == nil {
		s.Write(out, q.Operation, struct{ MessageId string }{id})
	}
	return err
}

func (s *snsService) publish(form url.Values, region string) (id string, err error) {
	if err := checkNotification(form); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := cmp.Or(form.Get("TopicArn"), form.Get("TargetArn"))
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sns" || parts[3] != region { // the endpoint of another Region refuses the ARN itself
		return "", snsInvalid("TopicArn")
	}
	if s.topics[arn] == nil {
		return "", fakeaws.Errorf("NotFound", "Topic does not exist").WithStatus(http.StatusNotFound)
	}
	s.topics[arn] = append(s.topics[arn], form.Get("Message"))
	s.last++
	return fmt.Sprintf("51750000-0000-4000-9000-%012x", s.last), nil
}

// checkNotification also refuses a parameter that this fake does not implement: a client must
// not believe that it took effect.
func checkNotification(form url.Values) error {
	message, subject := form.Get("Message"), form.Get("Subject")
	notPrintable := func(r rune) bool { return r < ' ' || r > '~' }
	name := fakeaws.UnknownParameter(form, "TopicArn", "TargetArn", "Message", "Subject")
	switch {
	case name != "":
		return snsInvalid("%s is not implemented by this fake", name)
	case message == "":
		return snsInvalid("Empty message")
	case len(message) > maxNotificationBytes:
		return snsInvalid("Message too long")
	case form.Has("Subject") && subject == "", len(subject) > 100, strings.ContainsFunc(subject, notPrintable):
		return snsInvalid("Subject")
	}
	return nil
}

func snsInvalid(format string, args ...any) error {
	return fakeaws.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}
