package sink

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// receiver is an HTTP receiver that keeps the requests, and answers them with answer.
type receiver struct {
	mu     sync.Mutex
	bodies [][]byte
	ids    []string // webhook-id
	answer func(n int, body []byte, w http.ResponseWriter)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.ids = append(r.bodies, body), append(r.ids, req.Header.Get("webhook-id"))
	if r.answer != nil {
		r.answer(len(r.bodies), body, w)
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// onTopic is the SNS sink with the SDK's own client, which sends to url.
func onTopic(t *testing.T, url string) Sink {
	t.Helper()
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	t.Cleanup(client.CloseIdleConnections)
	return NewTopic("mail", topic, sns.New(sns.Options{Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client,
		Credentials: aws.CredentialsProvider(credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""))}))
}

// everySink makes each kind of sink that sends to a URL.
var everySink = map[string]func(*testing.T, string) Sink{
	"webhook":   func(t *testing.T, url string) Sink { return newTestWebhook(t, url, testSecret) },
	"slack":     func(t *testing.T, url string) Sink { return newTestSlack(t, url) },
	"pagerduty": func(t *testing.T, url string) Sink { return newTestPager(t, url) },
	"sns":       onTopic,
}

var longFormats = sync.OnceValue(func() alert.Alert {
	return alerttest.MassDeletion(1000, func(f *alert.FlowLog) {
		f.LogFormat = strings.Repeat("${pkt-src-aws-service} ", 40)
		f.Tags = map[string]string{"Name": "flow-log-of-a-vpc", "Owner": "network-team"}
	})
})

// TestABodyHasAllIDsWithinItsLimit: somebody deletes all flow logs of a Region with long formats in one call, or adds
// large tags to them before. The alert must still name each of them. First formats are left out, then tags, and the
// text says so.
func TestABodyHasAllIDsWithinItsLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a    alert.Alert
		said []string
		tags bool // the first flow log keeps its tags
	}{
		"1000 flow logs with long formats":   {longFormats(), []string{"the log formats of "}, true},
		"60 flow logs with 50 tags of 400 B": {alerttest.HugeTags(), []string{"the log formats of 60 flow logs", "the tags of "}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			if err := newTestWebhook(t, serve(t, r.ServeHTTP), testSecret).Send(t.Context(), c.a); err != nil {
				t.Fatal(err)
			}
			stored, err := json.Marshal(c.a.Stored())
			if err != nil {
				t.Fatal(err)
			}
			for what, body := range map[string][]byte{"posted": r.bodies[0], "stored": stored} {
				var got alert.Alert
				if err := json.Unmarshal(body, &got); err != nil {
					t.Fatal(err)
				}
				if len(body) > 256<<10 || len(got.FlowLogs) != len(c.a.FlowLogs) || got.Omitted != 0 || got.DetailsOmitted != 0 {
					t.Errorf("%s: %d bytes, %d flow logs, %d left out, the details of %d", what, len(body), len(got.FlowLogs), got.Omitted, got.DetailsOmitted)
				}
				if last := got.FlowLogs[len(got.FlowLogs)-1]; last.FlowLogID != c.a.FlowLogs[len(c.a.FlowLogs)-1].FlowLogID || last.ResourceID == "" || last.Destination == "" {
					t.Errorf("%s: the last is %+v", what, last)
				}
				for _, said := range c.said {
					if !strings.Contains(got.Text, said) {
						t.Errorf("%s does not say %q: %s", what, said, got.Text[max(0, len(got.Text)-300):])
					}
				}
				if (got.FlowLogs[0].Tags != nil) != c.tags {
					t.Errorf("%s: tags of the first: %v", what, got.FlowLogs[0].Tags)
				}
			}
		})
	}
}

// TestAReceiverThatRefusesGetsTheCompactForm: every sink sends the compact form of the same
// alert at once. If the receiver refuses that, too, Send fails.
func TestAReceiverThatRefusesGetsTheCompactForm(t *testing.T) {
	t.Parallel()
	refuse := map[string]func(w http.ResponseWriter, status int){
		"sns": func(w http.ResponseWriter, status int) {
			w.WriteHeader(status)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>Message too long</Message></Error></ErrorResponse>`)
		},
	}
	accept := map[string]func(w http.ResponseWriter){
		"slack":     func(w http.ResponseWriter) { fmt.Fprint(w, "ok") },
		"pagerduty": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"sns": func(w http.ResponseWriter) {
			fmt.Fprint(w, `<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`)
		},
	}
	for name, sink := range everySink {
		for _, status := range []int{400, 413} {
			for _, taken := range []bool{true, false} {
				t.Run(fmt.Sprint(name, status, taken), func(t *testing.T) {
					t.Parallel()
					r := &receiver{answer: func(n int, _ []byte, w http.ResponseWriter) {
						switch {
						case n == 1 || !taken:
							if f := refuse[name]; f != nil {
								f(w, status)
								return
							}
							w.WriteHeader(status)
						case accept[name] != nil:
							accept[name](w)
						}
					}}
					err := sink(t, serve(t, r.ServeHTTP)).Send(t.Context(), longFormats())
					if len(r.bodies) != 2 || len(r.bodies[1]) > 100<<10 || len(r.bodies[1]) >= len(r.bodies[0]) || r.ids[0] != r.ids[1] {
						t.Fatalf("%d bodies, %v", len(r.bodies), err)
					}
					if (err == nil) != taken {
						t.Errorf("error %v", err)
					}
					if name != "webhook" {
						return
					}
					var got alert.Alert
					if err := json.Unmarshal(r.bodies[1], &got); err != nil || got.ID != r.ids[1] || got.Title == "" || got.Actor.ARN == "" || len(got.FlowLogs) != 1000 || got.FlowLogs[999].FlowLogID == "" || got.FormatsOmitted != 1000 || got.TagsOmitted != 1000 {
						t.Errorf("%v: %s", err, r.bodies[1])
					}
				})
			}
		}
	}
}

// TestOtherRefusalsAreNotRepeated: the compact form may help after a 400 or a 413. After another refusal Send sends
// nothing more.
func TestOtherRefusalsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, sink := range everySink {
		for _, status := range []int{401, 403, 404, 422, 429, 500, 503} {
			t.Run(fmt.Sprint(name, status), func(t *testing.T) {
				t.Parallel()
				r := &receiver{answer: func(_ int, _ []byte, w http.ResponseWriter) { w.WriteHeader(status) }}
				if err := sink(t, serve(t, r.ServeHTTP)).Send(t.Context(), longFormats()); err == nil || r.count() != 1 {
					t.Errorf("sent %d times, %v", r.count(), err)
				}
			})
		}
	}
}

// TestI7NothingIsRepeatedAfterA2xx: after a 2xx an alert is not sent again, whatever the body of the answer is, and
// even if it can't be read to its end. For example, a Slack workflow that was started answers {"ok":true}.
func TestI7NothingIsRepeatedAfterA2xx(t *testing.T) {
	t.Parallel()
	answers := map[string]func(w http.ResponseWriter){
		"says ok as JSON": func(w http.ResponseWriter) { fmt.Fprint(w, `{"ok":true}`) },
		"says no":         func(w http.ResponseWriter) { fmt.Fprint(w, `{"ok":false,"error":"no_such_thing"}`) },
		"is a page":       func(w http.ResponseWriter) { fmt.Fprint(w, `<html>log in</html>`) },
		"is empty":        func(http.ResponseWriter) {},
		"is 201":          func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
		"is 204":          func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		"breaks off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "o")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"breaks off at once": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	}
	for name, sink := range everySink {
		for what, answer := range answers {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				r := &receiver{answer: func(_ int, _ []byte, w http.ResponseWriter) { answer(w) }}
				var box memory
				a := alerttest.Deletion()
				a.Write()
				box.add("s", a)
				sender := NewSender("s", sink(t, serve(t, r.ServeHTTP)), &box, slog.New(slog.DiscardHandler))
				for sender.TryNext(t.Context()) == 0 {
				}
				if d := box.get("s", a.ID); d.SentAt.IsZero() || r.count() != 1 {
					t.Errorf("sent %d times; %+v", r.count(), d.Error)
				}
				if err := SendAll(t.Context(), map[string]Sink{"s": sink(t, serve(t, r.ServeHTTP))}, a); err != nil {
					t.Errorf("without the outbox: %v", err)
				}
			})
		}
	}
}

// TestI7AnAnswerThatIsNeverFinished: the status of an answer decides, even if its body never
// ends.
func TestI7AnAnswerThatIsNeverFinished(t *testing.T) {
	t.Parallel()
	for name, sink := range everySink {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if name == "pagerduty" {
					w.WriteHeader(http.StatusAccepted)
				}
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			s := WithTimeout(sink(t, url), 300*time.Millisecond)
			if err := s.Send(t.Context(), alerttest.Deletion()); err != nil && !asError(err).Taken {
				t.Errorf("counts as not taken: %v", err)
			}
		})
	}
}

// TestPagerRepeatsNoEventThatWasTaken: an alert may need several events. If the second one fails, only that is sent
// again.
func TestPagerRepeatsNoEventThatWasTaken(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(n int, _ []byte, w http.ResponseWriter) {
		w.WriteHeader(map[bool]int{true: 503, false: 202}[n == 2])
	}}
	p := newTestPager(t, serve(t, r.ServeHTTP))
	a := alert.Alert{ID: "alrt_test", DedupKey: "k", Kind: alert.Test, Level: alert.Informational}
	if err := p.Send(t.Context(), a); err == nil {
		t.Fatal("the second event was not taken")
	}
	if err := p.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, body := range r.bodies {
		var e struct {
			Action string `json:"event_action"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Action)
	}
	if want := []string{"trigger", "resolve", "resolve"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPagerHasOneIncidentForACampaign: all deletions of a campaign share one incident. The closed alert of the last one
// resolves it.
func TestPagerHasOneIncidentForACampaign(t *testing.T) {
	t.Parallel()
	h := newTestSinks(t)
	one, two := alerttest.Deletion(), alerttest.Deletion()
	one.DedupKey, one.CampaignID, two.DedupKey, two.CampaignID = "e1", "c", "e2", "c"
	early := one // alerted before it was known who did it
	early.CampaignID = ""
	for _, x := range []struct {
		a    alert.Alert
		kind alert.Kind
		open bool
	}{{early, alert.Blocked, false}, {one, alert.Deletion, false}, {two, alert.Deletion, false}, {two, alert.Blocked, false}, {one, alert.Closed, true}, {two, alert.Closed, false}} {
		x.a.Kind, x.a.CampaignOpen, x.a.ID = x.kind, x.open, alert.ID(x.a.DedupKey, string(x.kind))
		x.a.Write()
		if err := h.sinks["pager"].Send(t.Context(), x.a); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"trigger e1/stuck", "trigger c", "trigger c", "trigger c/stuck", "resolve e1", "resolve e1/stuck", "resolve e2", "resolve e2/stuck", "resolve c", "resolve c/stuck"}
	if !slices.Equal(h.pager.history, want) || h.pager.open["c"] || h.pager.open["c/stuck"] || h.pager.open["e1/stuck"] {
		t.Errorf("%v", h.pager.history)
	}
}
