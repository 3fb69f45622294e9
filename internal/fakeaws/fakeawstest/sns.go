package fakeawstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

var topicName = regexp.MustCompile("^[A-Za-z0-9_-]{1,256}$")

// maxNotificationBytes is the most that a published message may have.
const maxNotificationBytes = 256 << 10

// snsService answers the calls of SNS in the query protocol: standard topics with
// queues of the same world as subscribers.
type snsService struct {
	fakeaws.Query
	now  func() time.Time
	send func(queueARN, body string) error

	mu     sync.Mutex        // guards topics, what they hold, and seq
	topics map[string]*topic // by ARN
	seq    int               // of the subscription or notification made last
}

type topic struct {
	arn, region   string
	subscriptions []subscription
	published     []Notification
}

type subscription struct {
	arn, queueARN string
	raw           bool
}

// Notification is one message that was published to a topic.
type Notification struct {
	ID      string
	Subject string // empty if none was given
	Message string
	Time    time.Time
}

// Answer implements Service.
func (s *snsService) Answer(out http.ResponseWriter, q *fakeaws.Request) error {
	do := map[string]func(*fakeaws.Request) (any, error){"CreateTopic": s.createTopic, "Subscribe": s.subscribe, "Publish": s.publish}[q.Operation]
	if do == nil {
		return fakeaws.Errorf("InvalidAction", "The action %s is not valid for this web service.", q.Operation)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	result, err := do(q)
	if err == nil {
		s.Write(out, q.Operation, result)
	}
	return err
}

func (s *snsService) createTopic(q *fakeaws.Request) (any, error) {
	if err := onlyParameters(q.Form, "Name"); err != nil {
		return nil, err
	}
	name := q.Form.Get("Name")
	if !topicName.MatchString(name) {
		return nil, snsInvalid("Topic Name")
	}
	return struct{ TopicArn string }{s.ensureTopic(q.Account, q.Region, name)}, nil
}

// ensureTopic makes a topic, or keeps the one of that name. The caller holds
// s.mu.
func (s *snsService) ensureTopic(account, region, name string) (arn string) {
	arn = fmt.Sprintf("arn:aws:sns:%s:%s:%s", region, account, name)
	if s.topics[arn] == nil {
		s.topics[arn] = &topic{arn: arn, region: region}
	}
	return arn
}

// topicAt finds the topic that an ARN names. An ARN of another Region is an invalid
// parameter.
func (s *snsService) topicAt(arn, region string) (*topic, error) {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sns" || parts[3] != region {
		return nil, snsInvalid("TopicArn")
	}
	t := s.topics[arn]
	if t == nil {
		return nil, fakeaws.Errorf("NotFound", "Topic does not exist").WithStatus(http.StatusNotFound)
	}
	return t, nil
}

// subscribe makes a queue a subscriber at once: AWS needs no confirmation if the topic
// and the queue have one owner.
func (s *snsService) subscribe(q *fakeaws.Request) (any, error) {
	form := q.Form
	if err := onlyParameters(form, "TopicArn", "Protocol", "Endpoint", "ReturnSubscriptionArn", "Attributes."); err != nil {
		return nil, err
	}
	t, err := s.topicAt(form.Get("TopicArn"), q.Region)
	if err != nil {
		return nil, err
	}
	if form.Get("Protocol") != "sqs" {
		return nil, snsInvalid("Protocol %s: this world has subscribers of the protocol sqs only", form.Get("Protocol"))
	}
	endpoint := form.Get("Endpoint")
	if !strings.HasPrefix(endpoint, "arn:aws:sqs:") {
		return nil, snsInvalid("SQS endpoint ARN")
	}
	raw, err := rawDelivery(form)
	if err != nil {
		return nil, err
	}
	return struct{ SubscriptionArn string }{s.subscriptionOf(t, endpoint, raw)}, nil
}

// subscriptionOf returns the ARN of the queue's subscription, and makes it if there
// is none yet.
func (s *snsService) subscriptionOf(t *topic, queueARN string, raw bool) string {
	for _, sub := range t.subscriptions {
		if sub.queueARN == queueARN {
			return sub.arn
		}
	}
	arn := t.arn + ":" + s.nextID()
	t.subscriptions = append(t.subscriptions, subscription{arn: arn, queueARN: queueARN, raw: raw})
	return arn
}

// rawDelivery reads RawMessageDelivery, the only subscription attribute that is faked.
func rawDelivery(form url.Values) (bool, error) {
	name, value := form.Get("Attributes.entry.1.key"), form.Get("Attributes.entry.1.value")
	switch {
	case form.Has("Attributes.entry.2.key"), name != "" && name != "RawMessageDelivery":
		return false, snsInvalid("Attributes: this world knows RawMessageDelivery only")
	case name == "":
		return false, nil
	case value != "true" && value != "false":
		return false, snsInvalid("Attributes Reason: RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
	}
	return value == "true", nil
}

func (s *snsService) publish(q *fakeaws.Request) (any, error) {
	form := q.Form
	if err := onlyParameters(form, "TopicArn", "TargetArn", "Message", "Subject"); err != nil {
		return nil, err
	}
	t, err := s.topicAt(cmp.Or(form.Get("TopicArn"), form.Get("TargetArn")), q.Region)
	if err != nil {
		return nil, err
	}
	if err := checkNotification(form); err != nil {
		return nil, err
	}
	n := Notification{ID: s.nextID(), Subject: form.Get("Subject"), Message: form.Get("Message"), Time: s.now()}
	t.published = append(t.published, n)
	s.deliver(t, n)
	return struct{ MessageId string }{n.ID}, nil
}

func checkNotification(form url.Values) error {
	message, subject := form.Get("Message"), form.Get("Subject")
	switch {
	case message == "":
		return snsInvalid("Empty message")
	case len(message) > maxNotificationBytes:
		return snsInvalid("Message too long")
	case form.Has("Subject") && subject == "", len(subject) > 100, strings.ContainsFunc(subject, notPrintable):
		return snsInvalid("Subject")
	}
	return nil
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

// deliver sends to every queue that still exists. For one that does not, AWS would
// retry for weeks, and the publisher would not learn of it.
func (s *snsService) deliver(t *topic, n Notification) {
	envelope := envelopeOf(t, n)
	for _, sub := range t.subscriptions {
		body := envelope
		if sub.raw {
			body = n.Message
		}
		s.send(sub.queueARN, body) //nolint:errcheck // see above
	}
}

func (s *snsService) nextID() string {
	s.seq++
	return fmt.Sprintf("5175%04x-0000-4000-9000-%012x", s.seq>>48, s.seq)
}

// CreateTopic makes a topic without a request and returns its ARN; one that
// exists is kept.
func (w *World) CreateTopic(account, region, name string) (arn string) {
	s := w.sns
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ensureTopic(account, region, name)
}

// Published is what was published to the topic so far, oldest first.
func (w *World) Published(topicARN string) []Notification {
	s := w.sns
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[topicARN]; t != nil {
		return slices.Clone(t.published)
	}
	return nil
}

func snsInvalid(format string, args ...any) error {
	return fakeaws.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}

// onlyParameters refuses a parameter that the action does not have, or that this fake
// does not implement: a client must not believe that it had an effect.
func onlyParameters(form url.Values, allowed ...string) error {
	if name := fakeaws.UnknownParameter(form, allowed...); name != "" {
		return snsInvalid("%s is not implemented by this fake", name)
	}
	return nil
}

// snsEnvelope is the message that a queue without raw delivery gets. The order of the
// fields is AWS's.
type snsEnvelope struct {
	Type             string
	MessageId        string
	TopicArn         string
	Subject          string `json:",omitempty"`
	Message          string
	Timestamp        string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
	UnsubscribeURL   string
}

// envelopeOf wraps a notification. The signature is not valid: there is no key with
// which a receiver could check it.
func envelopeOf(t *topic, n Notification) string {
	host := "https://sns." + t.region + ".amazonaws.com/"
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(snsEnvelope{ //nolint:errcheck // of texts, into memory
		Type: "Notification", MessageId: n.ID, TopicArn: t.arn, Subject: n.Subject, Message: n.Message,
		Timestamp:        n.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		SignatureVersion: "1", Signature: "bm90IGEgc2lnbmF0dXJl",
		SigningCertURL: host + "SimpleNotificationService-fake.pem",
		UnsubscribeURL: host + "?Action=Unsubscribe&SubscriptionArn=" + t.arn,
	})
	return strings.TrimSuffix(body.String(), "\n")
}
