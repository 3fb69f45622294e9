package system_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// webhook receives alerts. It keeps those with a correct signature; any other fails the test.
type webhook struct {
	url, secret string

	mu     sync.Mutex
	alerts []alert
}

// alert has the fields of the public contract that this test reads.
type alert struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Level   string `json:"level"`
	Account string `json:"account"`
	Region  string `json:"region"`
	EventID string `json:"event_id"`
	Actor   struct {
		ARN      string `json:"arn"`
		SourceIP string `json:"source_ip"`
	} `json:"actor"`
	FlowLogs []struct {
		FlowLogID    string `json:"flow_log_id"`
		ResourceID   string `json:"resource_id"`
		NewFlowLogID string `json:"new_flow_log_id"`
	} `json:"flow_logs"`
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	h := &webhook{secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("thirty-two bytes, all of them ok"))}
	verify, err := standardwebhooks.NewWebhook(h.secret)
	must(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.take(verify, r); err != nil {
			t.Errorf("a bad webhook call: %v", err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	h.url = srv.URL + "/alerts-3f9c" // the path is a secret, too
	return h
}

func (h *webhook) take(verify *standardwebhooks.Webhook, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	if err := verify.Verify(body, r.Header); err != nil {
		return fmt.Errorf("%w, on %s", err, body)
	}
	var a alert
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("%w, in %s", err, body)
	}
	if id := r.Header.Get("webhook-id"); a.ID == "" || id != a.ID {
		return fmt.Errorf("webhook-id %q, alert %q: want the same", id, a.ID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alerts = append(h.alerts, a)
	return nil
}

// checkAlert returns an error until there is an alert of this kind for the event, which names
// all lost flow logs and, if it is of a deletion, who deleted them.
func (h *webhook) checkAlert(kind string, r record, who string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.alerts {
		if a.Kind != kind || a.EventID != r.eventID {
			continue
		}
		var named []string
		for _, f := range a.FlowLogs {
			named = append(named, f.FlowLogID)
		}
		if slices.Sort(named); !slices.Equal(named, slices.Sorted(slices.Values(r.lost))) {
			return fmt.Errorf("the %s alert names %v, want %v", kind, named, r.lost)
		}
		if kind == "deletion" && (a.Actor.ARN != who || a.Actor.SourceIP != "198.51.100.7") {
			return fmt.Errorf("the %s alert says that %+v deleted them, want %s", kind, a.Actor, who)
		}
		return nil
	}
	return fmt.Errorf("no %s alert of event %s among %d", kind, r.eventID, len(h.alerts))
}
