package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

const testRoutingKey = "R0utingKeyR0utingKeyR0utingKey12"

func newTestSlack(t *testing.T, url string) *Slack {
	t.Helper()
	s := NewSlack("chat", url, "1.2.3")
	t.Cleanup(s.Close)
	return s
}

func newTestPager(t *testing.T, url string) *PagerDuty {
	t.Helper()
	p := NewPagerDuty("pager", testRoutingKey, url, "1.2.3")
	t.Cleanup(p.Close)
	return p
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// testSinks has a sink of each kind, each with a strict receiver.
type testSinks struct {
	slack   strictSlack
	pager   strictPager
	webhook strictWebhook
	mail    []*sns.PublishInput
	journal bytes.Buffer
	sinks   map[string]Sink
}

func newTestSinks(t *testing.T) *testSinks {
	t.Helper()
	h := &testSinks{}
	var err error
	if h.webhook.verify, err = standardwebhooks.NewWebhook(testSecret); err != nil {
		t.Fatal(err)
	}
	h.sinks = map[string]Sink{
		LogName:   NewLog(slog.New(slog.NewJSONHandler(&h.journal, nil))),
		"chat":    newTestSlack(t, serve(t, h.slack.ServeHTTP)),
		"pager":   newTestPager(t, serve(t, h.pager.ServeHTTP)),
		"webhook": newTestWebhook(t, serve(t, h.webhook.ServeHTTP), testSecret),
		"mail":    NewTopic("mail", topic, publish(func(in *sns.PublishInput) error { h.mail = append(h.mail, in); return nil })),
	}
	return h
}

func (h *testSinks) send(t *testing.T, a alert.Alert) {
	t.Helper()
	if err := SendAll(t.Context(), h.sinks, a); err != nil {
		t.Fatalf("%v; slack %v, pager %v, webhook %v", err, h.slack.complaints, h.pager.complaints, h.webhook.complaints)
	}
}

// hostileTexts are texts that do harm if a sink shows them as they are.
var hostileTexts = append([]string{
	"<!channel>", "<!here|x>", "<@U012AB3CD>", "<#C012AB3CD>", "<http://evil.example|click here>", "http://evil.example/login", "www.evil.example",
	"*bold* _it_ ~gone~ `code` ```pre```", "> quoted", "&lt;!channel&gt;", ":boom:", "[x](http://evil.example)", "<script>alert(1)</script>",
	"a\r\nX-Injected: 1\r\n\r\nbody", `","event_action":"resolve`,
}, alerttest.Hostile...)

// TestI12ForeignTextIsInertAtEverySink: text in a tag, a user agent or the name of a session
// can neither mention people nor make links, nor look like another part of the alert.
func TestI12ForeignTextIsInertAtEverySink(t *testing.T) {
	t.Parallel()
	for n, text := range hostileTexts {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newTestSinks(t)
			for _, kind := range alerttest.Kinds {
				var a alert.Alert
				alerttest.Fill(&a, text)
				a.ID, a.DedupKey, a.Time = alert.ID(text, string(kind)), alert.DedupKey("s", text), alerttest.At("2026-03-01T12:00:00Z")
				a.Kind, a.Level, a.RouteLevel = kind, alert.High, ""
				a.Write()
				h.send(t, a)
			}
			h.checkShown(t)
		})
	}
}

// checkShown fails the test if a text that a receiver has taken is not printable.
func (h *testSinks) checkShown(t *testing.T) {
	t.Helper()
	for _, body := range h.slack.bodies {
		p, err := readSlack(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range append(p.mrkdwn, p.plain...) {
			alerttest.Printable(t, s, true)
		}
	}
	for _, body := range h.pager.bodies {
		e, err := checkPager(body)
		if err != nil {
			t.Fatal(err)
		}
		if e.Payload == nil {
			continue
		}
		for _, s := range []string{e.Payload.Summary, e.Payload.Source, e.Payload.Component, e.Payload.Group, e.Payload.Class} {
			alerttest.Printable(t, s, false)
		}
		for k, v := range e.Payload.CustomDetails {
			alerttest.Printable(t, fmt.Sprint(v), k == "text")
		}
	}
	for _, in := range h.mail {
		alerttest.Printable(t, *in.Subject, false)
	}
	for line := range strings.Lines(h.journal.String()) {
		alerttest.Printable(t, strings.TrimSuffix(line, "\n"), false)
	}
}

// allowedTags is how many tags AWS allows on one resource.
const allowedTags = 50

// thousand is one call that deletes a thousand flow logs with every tag.
func thousand() alert.Alert {
	tags := map[string]string{}
	for i := range allowedTags {
		tags[fmt.Sprintf("tag-%02d", i)] = "value"
	}
	n := 0
	return alerttest.MassDeletion(1000, func(f *alert.FlowLog) {
		f.ResourceID, f.Tags = fmt.Sprintf("vpc-%08x", n/4), tags
		n++
	})
}

func TestAThousandFlowLogsInOneAlert(t *testing.T) {
	t.Parallel()
	h := newTestSinks(t)
	h.send(t, thousand())
	var whole alert.Alert
	if err := exactly(h.webhook.last(t), &whole); err != nil || len(whole.FlowLogs) != 1000 || whole.Omitted != 0 || len(whole.FlowLogs[0].Tags) != allowedTags ||
		whole.FlowLogs[999].ResourceID == "" || whole.TagsOmitted == 0 || !strings.Contains(whole.Text, fmt.Sprintf("Left out of this message's data: the tags of %d flow logs.", whole.TagsOmitted)) {
		t.Errorf("%d flow logs, the tags of %d left out, %v", len(whole.FlowLogs), whole.TagsOmitted, err)
	}
	p, err := readSlack(h.slack.last(t))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(p.plain, "")
	for _, want := range []string{"1000 flow logs of 250 resources: 1000 open", "and 995 more", "flowkeeper incidents list", "fl-00000000000000004"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "fl-00000000000000005") || len(text) > 2500 {
		t.Errorf("too much for a phone: %d bytes, %s", len(text), text)
	}
	e, err := checkPager(h.pager.last(t))
	if err != nil {
		t.Fatal(err)
	}
	d := e.Payload.CustomDetails
	logs, _ := d["flow_logs"].([]any)
	if len(logs) != 21 || logs[20] != "and 980 more" || d["flow_logs_count"] != "1000 flow logs of 250 resources: 1000 open" {
		t.Errorf("%v", d)
	}
}

// TestPagerEventsAreAlwaysSmallEnough: also if each character takes six bytes of JSON.
func TestPagerEventsAreAlwaysSmallEnough(t *testing.T) {
	t.Parallel()
	h := newTestSinks(t)
	var a alert.Alert
	alerttest.Fill(&a, strings.Repeat("<", 5000))
	a.ID, a.DedupKey, a.Kind, a.Level = "alrt_x", strings.Repeat("k", 400), alert.Blocked, alert.Critical
	for len(a.FlowLogs) < 2*pagerListed {
		a.FlowLogs = append(a.FlowLogs, a.FlowLogs[0])
		a.FailedFlowLogs = append(a.FailedFlowLogs, a.FailedFlowLogs[0])
	}
	a.Write()
	if err := h.sinks["pager"].Send(t.Context(), a); err != nil {
		t.Fatal(err, h.pager.complaints)
	}
	if n := len(h.pager.last(t)); n < 100<<10 {
		t.Errorf("only %d bytes: the test does not reach the limit", n)
	}
}

// TestPagerOpensAndResolves: each event has one incident. The closed alert resolves it, and
// the restored alert does not open it again, because the pager does not get that one.
func TestPagerOpensAndResolves(t *testing.T) {
	t.Parallel()
	h := newTestSinks(t)
	a := alerttest.Deletion()
	route := Routes{{Name: "pager", Kinds: PagerKinds}}
	for _, kind := range []alert.Kind{alert.Deletion, alert.Blocked, alert.Restored, alert.Closed} {
		a.Kind = kind
		a.Write()
		if slices.Contains(route.For(a), "pager") {
			if err := h.sinks["pager"].Send(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	key := a.DedupKey
	if want := []string{"trigger " + key, "trigger " + key + "/stuck", "resolve " + key, "resolve " + key + "/stuck"}; !slices.Equal(h.pager.history, want) || h.pager.open[key] {
		t.Errorf("%v", h.pager.history)
	}
}

func TestPagerSeverities(t *testing.T) {
	t.Parallel()
	for level, want := range map[alert.Level]string{alert.Critical: "critical", alert.High: "error", alert.Medium: "warning", alert.Low: "info", alert.Informational: "info"} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			if got := pagerPayload(alert.Alert{Level: level}, 0).Severity; got != want {
				t.Error(got)
			}
		})
	}
}

func TestPagerComponent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		logs []alert.FlowLog
		want string
	}{
		"no flow log":          {nil, ""},
		"one flow log":         {[]alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}}, "fl-1"},
		"two of one resource":  {[]alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}, {FlowLogID: "fl-2", ResourceID: "vpc-1"}}, "vpc-1"},
		"two of two resources": {[]alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}, {FlowLogID: "fl-2", ResourceID: "vpc-2"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := component(c.logs); got != c.want {
				t.Errorf("%v: %q, want %q", c.logs, got, c.want)
			}
		})
	}
}

// TestSlackAndPagerAnswers: the error about an answer says whether and when to try again,
// and what to do.
func TestSlackAndPagerAnswers(t *testing.T) {
	t.Parallel()
	slackSink := func(t *testing.T, url string) Sink { return newTestSlack(t, url) }
	pagerSink := func(t *testing.T, url string) Sink { return newTestPager(t, url) }
	for _, c := range []struct {
		sink    func(*testing.T, string) Sink
		status  int
		reply   string
		refused bool
		taken   bool
		after   time.Duration
		want    string // "": taken
	}{
		{sink: slackSink, status: 200, reply: "ok"},
		{sink: slackSink, status: 200, reply: "<html>log in</html>", taken: true, want: "slack chat: did not answer ok"},
		{sink: slackSink, status: 200, reply: `{"ok":true}`, taken: true, want: "slack chat: did not answer ok"},
		{sink: slackSink, status: 204, taken: true, want: "did not answer ok"},
		{sink: slackSink, status: 400, reply: "invalid_payload", refused: true, want: "slack chat: answered 400 Bad Request: invalid_payload: "},
		{sink: slackSink, status: 403, reply: "action_prohibited", refused: true, want: "answered 403 Forbidden: action_prohibited: an administrator"},
		{sink: slackSink, status: 404, reply: "channel_not_found", refused: true, want: "channel_not_found: its channel does not exist"},
		{sink: slackSink, status: 404, reply: "no_service", refused: true, want: "no_service: the webhook was removed"},
		{sink: slackSink, status: 410, reply: "channel_is_archived", refused: true, want: "channel_is_archived: restore the channel"},
		{sink: slackSink, status: 403, reply: "T0KEN-IN-PATH", refused: true, want: "answered 403 Forbidden: check its url"},
		{sink: slackSink, status: 302, refused: true, want: "redirects are not followed"},
		{sink: slackSink, status: 429, reply: "rate_limited", after: 30 * time.Second, want: "429 Too Many Requests: rate_limited: Slack limits the rate"},
		{sink: slackSink, status: 500, reply: "rollup_error", after: 30 * time.Second, want: "rollup_error: Slack failed"},
		{sink: slackSink, status: 503, after: 30 * time.Second, want: "answered 503 Service Unavailable"},
		{sink: pagerSink, status: 202, reply: `{"status":"success"}`},
		{sink: pagerSink, status: 202, reply: "not JSON"},
		{sink: pagerSink, status: 200, reply: "{}", taken: true, want: "pagerduty pager: answered 200 instead of 202"},
		{sink: pagerSink, status: 400, reply: `{"status":"invalid event","message":"` + testRoutingKey + `","errors":["` + testRoutingKey + `"]}`, refused: true, want: "answered 400 Bad Request: check its routing_key"},
		{sink: pagerSink, status: 400, reply: testRoutingKey, refused: true, want: "check its routing_key"},
		{sink: pagerSink, status: 307, refused: true, want: "redirects are not followed"},
		{sink: pagerSink, status: 429, after: 30 * time.Second, want: "answered 429"},
		{sink: pagerSink, status: 502, reply: `{"error":{"message":"` + testRoutingKey + `"}}`, after: 30 * time.Second, want: "answered 502"},
	} {
		t.Run(fmt.Sprint(c.status, c.want), func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "30")
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Location", "/"+testRoutingKey)
				w.WriteHeader(c.status)
				if c.status != 204 {
					fmt.Fprint(w, c.reply)
				}
			})
			err := c.sink(t, url).Send(t.Context(), alerttest.Deletion())
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Refused != c.refused || e.Taken != c.taken || e.RetryAfter != c.after || !strings.Contains(e.Cause, c.want) {
				t.Fatalf("%+v", err)
			}
			if leaks(e.Cause) || strings.Contains(e.Cause, testRoutingKey) {
				t.Error(e.Cause)
			}
		})
	}
}

func TestSinksEndWithTheirContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	for _, s := range []Sink{newTestWebhook(t, url, ""), newTestSlack(t, url), newTestPager(t, url)} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Send(ctx, alerttest.Deletion()); err == nil || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("%v: %v", s, err)
		}
	}
	if newTestWebhook(t, url, "").client.Timeout != maxTimeout {
		t.Error("the client has no timeout of its own")
	}
}
