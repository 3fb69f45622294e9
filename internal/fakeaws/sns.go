package fakeaws

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxNotificationBytes is the most that a published message may have.
const maxNotificationBytes = 256 << 10

// snsService is SNS as the query protocol shows it: standard topics with
// queues of the same world as subscribers.
type snsService struct {
	now    func() time.Time
	queues *sqsService

	mu     sync.Mutex
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

func newSNS(now func() time.Time, q *sqsService) *snsService {
	return &snsService{now: now, queues: q, topics: map[string]*topic{}}
}

// serve answers one signed request.
func (s *snsService) serve(w http.ResponseWriter, r *http.Request, c caller) {
	out, err := s.perform(r, c)
	writeSNS(w, out, err)
}

func (s *snsService) perform(r *http.Request, c caller) (any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, snsInvalid("the request body is not a form: %v", err)
	}
	form := r.PostForm
	s.mu.Lock()
	defer s.mu.Unlock()
	switch action := form.Get("Action"); action {
	case "CreateTopic":
		return s.createTopic(form, c)
	case "Subscribe":
		return s.subscribe(form, c)
	case "Publish":
		return s.publish(form, c)
	default:
		return nil, &snsError{"InvalidAction", "The action " + action + " is not valid for this web service.", http.StatusBadRequest}
	}
}

func (s *snsService) createTopic(form url.Values, c caller) (any, error) {
	if err := onlyParameters(form, "Name"); err != nil {
		return nil, err
	}
	name := form.Get("Name")
	if !nameLike(name, 256) {
		return nil, snsInvalid("Topic Name")
	}
	arn := fmt.Sprintf("arn:aws:sns:%s:%s:%s", c.Region, c.Account, name)
	if s.topics[arn] == nil {
		s.topics[arn] = &topic{arn: arn, region: c.Region}
	}
	return createTopicResponse{TopicArn: arn}, nil
}

// topicAt finds the topic that an ARN names; the endpoint of another Region
// refuses the ARN itself.
func (s *snsService) topicAt(arn string, c caller) (*topic, error) {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sns" || parts[3] != c.Region {
		return nil, snsInvalid("TopicArn")
	}
	t := s.topics[arn]
	if t == nil {
		return nil, &snsError{"NotFound", "Topic does not exist", http.StatusNotFound}
	}
	return t, nil
}

// subscribe makes queues subscribers at once: AWS needs no confirmation
// where topic and queue have one owner.
func (s *snsService) subscribe(form url.Values, c caller) (any, error) {
	if err := onlyParameters(form, "TopicArn", "Protocol", "Endpoint", "ReturnSubscriptionArn", "Attributes."); err != nil {
		return nil, err
	}
	t, err := s.topicAt(form.Get("TopicArn"), c)
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
	return subscribeResponse{SubscriptionArn: s.subscriptionOf(t, endpoint, raw)}, nil
}

// subscriptionOf is the ARN of the queue's subscription, which is made if
// there is none yet.
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

// rawDelivery reads the one subscription attribute that there is.
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

func (s *snsService) publish(form url.Values, c caller) (any, error) {
	if err := onlyParameters(form, "TopicArn", "TargetArn", "Message", "Subject"); err != nil {
		return nil, err
	}
	t, err := s.topicAt(cmp.Or(form.Get("TopicArn"), form.Get("TargetArn")), c)
	if err != nil {
		return nil, err
	}
	if err := checkNotification(form); err != nil {
		return nil, err
	}
	n := Notification{ID: s.nextID(), Subject: form.Get("Subject"), Message: form.Get("Message"), Time: s.now()}
	t.published = append(t.published, n)
	return publishResponse{MessageId: n.ID}, s.deliver(t, n)
}

func checkNotification(form url.Values) error {
	message, subject := form.Get("Message"), form.Get("Subject")
	switch {
	case message == "":
		return snsInvalid("Empty message")
	case len(message) > maxNotificationBytes:
		return snsInvalid("Message too long")
	case form.Has("Subject") && subject == "", len(subject) > 100, !printableASCII(subject):
		return snsInvalid("Subject")
	}
	return nil
}

func printableASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// deliver sends to every queue that still exists. AWS would retry for weeks
// and tell the publisher nothing about one that does not.
func (s *snsService) deliver(t *topic, n Notification) error {
	envelope, err := envelopeOf(t, n)
	if err != nil {
		return err
	}
	for _, sub := range t.subscriptions {
		body := envelope
		if sub.raw {
			body = n.Message
		}
		s.queues.send(sub.queueARN, body) //nolint:errcheck // see above
	}
	return nil
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
	arn = fmt.Sprintf("arn:aws:sns:%s:%s:%s", region, account, name)
	if s.topics[arn] == nil {
		s.topics[arn] = &topic{arn: arn, region: region}
	}
	return arn
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
