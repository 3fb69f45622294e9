package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"flowkeeper/alert"
)

// strict is a receiver that accepts only requests that follow its published rules, and
// records what is wrong with the others.
type strict struct {
	mu         sync.Mutex
	bodies     [][]byte
	complaints []error
}

// take checks one request, and keeps its body if it is accepted.
func (s *strict) take(r *http.Request, check func(body []byte) error) error {
	body, err := io.ReadAll(r.Body)
	if err == nil && (r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "flowkeeper/1.2.3") {
		err = fmt.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	if err == nil {
		err = check(body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.complaints = append(s.complaints, err)
		return err
	}
	s.bodies = append(s.bodies, body)
	return nil
}

// last is the body that was accepted last.
func (s *strict) last(t *testing.T) []byte {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.complaints) > 0 || len(s.bodies) == 0 {
		t.Fatalf("%d taken; complaints: %v", len(s.bodies), s.complaints)
	}
	return s.bodies[len(s.bodies)-1]
}

// exactly decodes JSON, and fails if the JSON has a field that v lacks.
func exactly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w in %.300s", err, data)
	}
	return nil
}

// strictSlack is an incoming webhook that follows Slack's published rules.
type strictSlack struct{ strict }

func (s *strictSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.take(r, checkSlack); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "invalid_payload")
		return
	}
	fmt.Fprint(w, "ok")
}

// slackPage collects the texts of a message by the way in which Slack treats them.
type slackPage struct {
	mrkdwn []string // Slack parses mentions and links
	plain  []string
	header string
}

func readSlack(body []byte) (p slackPage, err error) {
	var m struct {
		Text        string            `json:"text"`
		Blocks      []json.RawMessage `json:"blocks"`
		Attachments []struct {
			Color    string            `json:"color"`
			Fallback string            `json:"fallback"`
			Blocks   []json.RawMessage `json:"blocks"`
		} `json:"attachments"`
		UnfurlLinks     *bool `json:"unfurl_links"`
		UnfurlMedia     *bool `json:"unfurl_media"`
		Mrkdwn          *bool `json:"mrkdwn"`
		ReplaceOriginal bool  `json:"replace_original"`
		DeleteOriginal  bool  `json:"delete_original"`
	}
	if err := exactly(body, &m); err != nil {
		return p, err
	}
	switch {
	case m.Mrkdwn == nil || *m.Mrkdwn || m.UnfurlLinks == nil || *m.UnfurlLinks || m.UnfurlMedia == nil || *m.UnfurlMedia:
		return p, errors.New("Slack may format or unfurl it")
	case m.ReplaceOriginal || m.DeleteOriginal || len(m.Attachments) != 1 || m.Text == "":
		return p, errors.New("not one message with an attachment and a text")
	case !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(m.Attachments[0].Color):
		return p, errors.New("color " + m.Attachments[0].Color)
	}
	p.mrkdwn = []string{m.Text, m.Attachments[0].Fallback}
	blocks := append(m.Blocks, m.Attachments[0].Blocks...)
	if len(m.Blocks) > 50 || len(m.Attachments[0].Blocks) > 50 {
		return p, fmt.Errorf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if err := p.block(b); err != nil {
			return p, err
		}
	}
	return p, nil
}

func typeOf(data []byte) string {
	var t struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(data, &t)
	return t.Type
}

func (p *slackPage) block(data []byte) error {
	var b struct {
		Type     string            `json:"type"`
		Text     json.RawMessage   `json:"text"`
		Elements []json.RawMessage `json:"elements"`
	}
	if err := exactly(data, &b); err != nil {
		return err
	}
	switch b.Type {
	case "header":
		if err := p.plainText(b.Text, slackHeader); err != nil {
			return err
		}
		p.header = p.plain[len(p.plain)-1]
	case "context":
		if len(b.Elements) == 0 || len(b.Elements) > 10 {
			return fmt.Errorf("context of %d elements", len(b.Elements))
		}
		for _, e := range b.Elements {
			if err := p.plainText(e, 3000); err != nil {
				return err
			}
		}
	case "rich_text":
		for _, e := range b.Elements {
			if err := p.rich(e); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("block of type %q", b.Type)
	}
	return nil
}

// plainText accepts only a plain text object.
func (p *slackPage) plainText(data []byte, limit int) error {
	var o struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Emoji *bool  `json:"emoji"`
	}
	if err := exactly(data, &o); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(o.Text); o.Type != "plain_text" || o.Emoji == nil || *o.Emoji || n == 0 || n > limit {
		return fmt.Errorf("not a plain text of 1 to %d characters: %s", limit, data)
	}
	p.plain = append(p.plain, o.Text)
	return nil
}

func (p *slackPage) rich(data []byte) error {
	var e struct {
		Type     string            `json:"type"`
		Elements []json.RawMessage `json:"elements"`
		Style    string            `json:"style"`
		Indent   int               `json:"indent"`
		Border   int               `json:"border"`
		Offset   int               `json:"offset"`
	}
	if err := exactly(data, &e); err != nil {
		return err
	}
	if len(e.Elements) == 0 {
		return errors.New("an empty element")
	}
	for _, x := range e.Elements {
		var err error
		switch {
		case e.Type == "rich_text_list" && e.Style == "bullet" && typeOf(x) == "rich_text_section":
			err = p.rich(x)
		case e.Type == "rich_text_section" && e.Style == "":
			err = p.richText(x)
		default:
			err = fmt.Errorf("element %s", data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// richText accepts only text elements: links, users, channels and broadcasts have types of
// their own.
func (p *slackPage) richText(data []byte) error {
	var e struct {
		Type  string          `json:"type"`
		Text  string          `json:"text"`
		Style map[string]bool `json:"style"`
	}
	if err := exactly(data, &e); err != nil {
		return err
	}
	for k := range e.Style {
		if k != "bold" {
			return fmt.Errorf("style %s", k)
		}
	}
	if e.Type != "text" || e.Text == "" || utf8.RuneCountInString(e.Text) > 3000 {
		return fmt.Errorf("not a text: %s", data)
	}
	p.plain = append(p.plain, e.Text)
	return nil
}

var slackEntity = regexp.MustCompile(`&(amp|lt|gt);`)

func checkSlack(body []byte) error {
	p, err := readSlack(body)
	if err != nil {
		return err
	}
	for _, s := range p.mrkdwn {
		if rest := slackEntity.ReplaceAllString(s, ""); strings.ContainsAny(rest, "<>&") || strings.Contains(s, "://") {
			return fmt.Errorf("markup: %q", s)
		}
	}
	// Slack answers msg_blocks_too_long to more than 13,200 characters; a phone shows far
	// less.
	total := 0
	for _, s := range p.plain {
		total += utf8.RuneCountInString(s)
	}
	if total > 8000 || p.header == "" {
		return fmt.Errorf("%d characters, header %q", total, p.header)
	}
	return nil
}

// strictPager is an Events API v2 with an incident for each dedup_key.
type strictPager struct {
	strict
	open    map[string]bool
	history []string // "trigger KEY", "resolve KEY", or "again KEY" if a resolved one is triggered
}

// pagerEventWire is an event as the Events API v2 publishes it.
type pagerEventWire struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Client      string `json:"client"`
	ClientURL   string `json:"client_url"`
	Payload     *struct {
		Summary       string         `json:"summary"`
		Source        string         `json:"source"`
		Severity      string         `json:"severity"`
		Timestamp     string         `json:"timestamp"`
		Component     string         `json:"component"`
		Group         string         `json:"group"`
		Class         string         `json:"class"`
		CustomDetails map[string]any `json:"custom_details"`
	} `json:"payload"`
}

func checkPager(body []byte) (e pagerEventWire, err error) {
	if err := exactly(body, &e); err != nil {
		return e, err
	}
	p := e.Payload
	switch {
	case len(body) >= 512<<10:
		return e, fmt.Errorf("%d bytes", len(body))
	case e.RoutingKey != testRoutingKey:
		return e, errors.New("routing_key")
	case e.DedupKey == "" || utf8.RuneCountInString(e.DedupKey) > 255:
		return e, fmt.Errorf("dedup_key %q", e.DedupKey)
	case e.EventAction == "resolve":
		return e, nil
	case e.EventAction != "trigger" || p == nil:
		return e, fmt.Errorf("event_action %q", e.EventAction)
	case p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024:
		return e, fmt.Errorf("summary %q", p.Summary)
	case p.Source == "" || p.Class == "" || len(p.CustomDetails) == 0:
		return e, fmt.Errorf("payload %+v", p)
	case !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity):
		return e, fmt.Errorf("severity %q", p.Severity)
	}
	_, err = time.Parse(time.RFC3339, p.Timestamp)
	return e, err
}

func (s *strictPager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e pagerEventWire
	err := s.take(r, func(body []byte) (err error) {
		if e, err = checkPager(body); r.URL.Path != "/v2/enqueue" {
			err = errors.New(r.URL.Path)
		}
		return err
	})
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{err.Error()}})
		return
	}
	s.note(e)
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
}

func (s *strictPager) note(e pagerEventWire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]bool{}
	}
	what := e.EventAction
	if open, known := s.open[e.DedupKey]; what == "trigger" && known && !open {
		what = "again"
	}
	s.open[e.DedupKey] = e.EventAction == "trigger"
	s.history = append(s.history, what+" "+e.DedupKey)
}

// strictWebhook is a receiver of Standard Webhooks.
type strictWebhook struct {
	strict
	verify *standardwebhooks.Webhook
}

func (s *strictWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.take(r, func(body []byte) error { return s.check(r.Header, body) }); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// sentHeaders are the only headers that a request may have: none contains foreign text.
var sentHeaders = []string{"Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp"}

func (s *strictWebhook) check(h http.Header, body []byte) error {
	for k, v := range h {
		if !slices.Contains(sentHeaders, k) || len(v) != 1 {
			return fmt.Errorf("header %s: %q", k, v)
		}
	}
	var a alert.Alert
	switch {
	case s.verify.Verify(body, h) != nil:
		return errors.New("the signature does not verify")
	case s.verify.Verify(append(bytes.Clone(body), ' '), h) == nil:
		return errors.New("the signature verifies anything")
	case len(body) > maxBody:
		return fmt.Errorf("%d bytes", len(body))
	case bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte(`:""`)):
		return errors.New("absent must mean unknown")
	case exactly(body, &a) != nil:
		return exactly(body, &a)
	case h.Get("webhook-id") != a.ID || a.ID == "" || len(a.ID) > 64:
		return fmt.Errorf("webhook-id %q, id %q", h.Get("webhook-id"), a.ID)
	}
	return nil
}
