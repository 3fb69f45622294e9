package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// daemon is a Daemon that returns the values of its fields.
type daemon struct {
	refreshed map[inventory.Scope]time.Time
	accounts  Accounts
	err       error
}

func (d daemon) Current(map[inventory.Scope]time.Time) map[inventory.Scope]time.Time {
	return d.refreshed
}

func (d daemon) Accounts(context.Context) (Accounts, error) { return d.accounts, d.err }

func (daemon) AlertRefreshed() int { return 0 }

// stateFile returns an empty state file.
func stateFile(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestAScopeThatWasNeverRefreshedHasASeries: its value is 0. Without the series, the alerting rule about old refreshes
// would not fire.
func TestAScopeThatWasNeverRefreshedHasASeries(t *testing.T) {
	t.Parallel()
	s := stateFile(t)
	never := &Scrape{Meters: New(), Store: s, Log: slog.New(slog.DiscardHandler),
		Daemon: daemon{refreshed: map[inventory.Scope]time.Time{{Account: "111122223333", Region: "eu-west-1"}: {}}}}
	if text := scraped(t, never); !strings.Contains(text, `flowkeeper_refresh_last_success_timestamp_seconds{account="111122223333",region="eu-west-1"} 0`+"\n") {
		t.Error(text)
	}
}

// TestAccountsHaveSeries: each state of accounts has a series. Only with an organisation there is also the time of its
// last listing (0: never). If the accounts can't be read, both are missing, and the log says why.
func TestAccountsHaveSeries(t *testing.T) {
	t.Parallel()
	s := stateFile(t)
	log := &strings.Builder{}
	scrape := &Scrape{Meters: New(), Store: s, Log: slog.New(slog.NewTextHandler(log, nil))}
	const listed = "flowkeeper_organization_list_last_success_timestamp_seconds"
	for name, c := range map[string]struct {
		has  Accounts
		want string // of listed; empty: no series
	}{
		"no organization": {Accounts{Protected: 197, Unreachable: 2, Departed: 1}, ""},
		"not listed yet":  {Accounts{Protected: 197, Unreachable: 2, Departed: 1, Organization: true}, "0"},
		"listed":          {Accounts{Protected: 197, Unreachable: 2, Departed: 1, Organization: true, Listed: time.Unix(1_800_000_000, 0)}, "1.8e+09"},
	} {
		t.Run(name, func(t *testing.T) {
			scrape.Daemon = daemon{accounts: c.has}
			text := scraped(t, scrape)
			for state, n := range map[string]int{"protected": 197, "unreachable": 2, "departed": 1} {
				if !strings.Contains(text, fmt.Sprintf("flowkeeper_accounts{state=%q} %d\n", state, n)) {
					t.Errorf("%s is missing: %s", state, text)
				}
			}
			if strings.Contains(text, listed) != (c.want != "") || c.want != "" && !strings.Contains(text, listed+" "+c.want+"\n") {
				t.Errorf("%+v: %s", c.has, text)
			}
		})
	}
	scrape.Daemon = daemon{err: errors.New("damaged")}
	if text := scraped(t, scrape); strings.Contains(text, "flowkeeper_accounts") || !strings.Contains(log.String(), "damaged") {
		t.Errorf("%s, and the log says %q", text, log)
	}
}

// TestSeriesOfManyScopesAreBounded: of an organisation's thousands of scopes, only mostScopes have a series: those
// without a refresh, and then those whose last one is the longest ago. Alerting rules need no others.
func TestSeriesOfManyScopesAreBounded(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	many := map[inventory.Scope]time.Time{}
	name := func(n int) inventory.Scope {
		return inventory.Scope{Account: fmt.Sprintf("%012d", n), Region: "eu-west-1"}
	}
	for n := range 3400 {
		many[name(n)] = at.Add(time.Duration(n) * time.Second)
	}
	many[name(1700)] = time.Time{}
	r := refreshesOf(many)
	if len(r.shown) != mostScopes || r.shown[0].scope != name(1700) || r.shown[1].scope != name(0) || r.shown[99].scope != name(98) {
		t.Errorf("%d shown, %v", len(r.shown), r.shown)
	}
	if r.had != 3399 || r.never != 1 || !r.oldest.Equal(at) {
		t.Errorf("%d scopes had a refresh, %d had none, the oldest is of %s; want 3399, 1, %s", r.had, r.never, r.oldest, at)
	}
	if r := refreshesOf(map[inventory.Scope]time.Time{name(1): {}, name(2): {}}); r.had != 0 || r.never != 2 || !r.oldest.IsZero() || len(r.shown) != 2 {
		t.Errorf("of two scopes that were never refreshed: %+v", r)
	}
	if r := refreshesOf(nil); r.had != 0 || r.never != 0 || len(r.shown) != 0 {
		t.Errorf("without scopes: %+v", r)
	}
}

// TestMetricsOutliveTheStateFile: while the state file can't be read, the other metrics
// are shown, and the log says why those of the file are missing.
func TestMetricsOutliveTheStateFile(t *testing.T) {
	t.Parallel()
	s := stateFile(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log := &strings.Builder{}
	w := httptest.NewRecorder()
	scrape := &Scrape{Meters: New(), Store: s, Version: "1", Log: slog.New(slog.NewTextHandler(log, nil)), Daemon: daemon{}}
	scrape.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, "flowkeeper_build_info") || !strings.Contains(body, "flowkeeper_aws_calls_total") {
		t.Errorf("%d %s", w.Code, body)
	}
	if strings.Contains(body, "flowkeeper_incidents") || strings.Contains(body, "flowkeeper_state_bytes") {
		t.Error("metrics of a state file that can't be read are shown")
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "state file") {
		t.Errorf("the log says %q", got)
	}
}

// TestDecoysAreCounted: flow logs that are not protected because they count as decoys are counted while they are live.
func TestDecoysAreCounted(t *testing.T) {
	t.Parallel()
	s := stateFile(t)
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		for id, state := range map[string]inventory.State{"fl-1": inventory.Live, "fl-2": inventory.Gone} {
			if err := tx.PutFlowLog(inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: scope}, RootID: id, State: state}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	scrape := &Scrape{Meters: New(), Store: s, Version: "1", Log: slog.New(slog.DiscardHandler), Daemon: daemon{}}
	scrape.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), "flowkeeper_flow_logs_unprotected 1\n") {
		t.Error(w.Body.String())
	}
}

// TestBlockedIncidentsAreCountedByReason: each reason has a series. All reasons that this version does not know share
// the series "other", because their text may be anything.
func TestBlockedIncidentsAreCountedByReason(t *testing.T) {
	t.Parallel()
	s := stateFile(t)
	scope, now := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, time.Now()
	if err := s.Refreshed(t.Context(), scope, now, now); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		for id, reason := range map[string]incident.Reason{"fl-1": incident.TokenUsed, "fl-2": "evil\n", "fl-3": "more"} {
			i := incident.Incident{Scope: scope, FlowLogID: id, State: incident.Blocked, Reason: reason, Source: incident.ByDrift,
				EventID: incident.DriftEventID(scope, now)}
			if err := tx.PutIncident(i); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	text := scraped(t, &Scrape{Meters: New(), Store: s, Log: slog.New(slog.DiscardHandler), Daemon: daemon{}})
	want := map[string]int{"token_used": 1, "other": 2}
	for _, reason := range withOther(incident.BlockedReasons) {
		if !strings.Contains(text, fmt.Sprintf("flowkeeper_incidents_blocked{reason=%q} %d\n", reason, want[reason])) {
			t.Errorf("%s: %s", reason, text)
		}
	}
	if strings.Contains(text, "evil") || !strings.Contains(text, "flowkeeper_incidents_unreported 3\n") {
		t.Error(text)
	}
}

// TestReasonsAreCounted: a reason is counted when an incident becomes blocked or closed for it, and when the reason
// changes. The series of each reason exists from the start, with 0.
func TestReasonsAreCounted(t *testing.T) {
	t.Parallel()
	in := func(s incident.State, reason incident.Reason) incident.Incident {
		return incident.Incident{Scope: inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, State: s, Reason: reason}
	}
	open, byTelemetry := in(incident.Open, ""), in(incident.Closed, incident.Replaced)
	byTelemetry.Actor = &alert.Actor{ARN: incident.TelemetryRole(byTelemetry.Scope)}
	m := New()
	for _, c := range []struct{ before, after incident.Incident }{
		{open, in(incident.Blocked, incident.TokenUsed)},
		{in(incident.Blocked, incident.TokenUsed), in(incident.Blocked, incident.TokenUsed)}, // no change: not counted again
		{in(incident.Blocked, incident.Permission), in(incident.Blocked, incident.TokenUsed)},
		{open, in(incident.Blocked, incident.Managed)},
		{in(incident.Blocked, incident.Managed), in(incident.Restored, "")},
		{open, in(incident.Closed, incident.Replaced)},
		{open, byTelemetry},
		{byTelemetry, byTelemetry},
		{open, in(incident.Blocked, "evil")},
		{in(incident.Restored, ""), in(incident.Restored, incident.NotTagged)},
	} {
		m.Changed(c.before, c.after)
	}
	want := map[string]int{"token_used": 2, "managed": 1, "replaced": 1, "replaced_by_telemetry": 1}
	series := 0
	text := scraped(t, m.reasons)
	for state, reasons := range map[string][]incident.Reason{"blocked": incident.BlockedReasons, "closed": closedReasons} {
		for _, r := range withOther(reasons) {
			n := want[r]
			if series++; state == "blocked" && r == "other" {
				n = 1
			}
			if !strings.Contains(text, fmt.Sprintf("flowkeeper_incident_reasons_total{reason=%q,state=%q} %d\n", r, state, n)) {
				t.Errorf("%s, %s: %s", state, r, text)
			}
		}
	}
	if n := strings.Count(text, "\nflowkeeper_incident_reasons_total{"); n != series {
		t.Errorf("%d series, want %d", n, series)
	}
}

// TestAQueueThatNeverAnsweredHasASeries: the counter of successful receives exists from the start, with 0. The alerting
// rule about the queue uses its rate, and would not fire without a series.
func TestAQueueThatNeverAnsweredHasASeries(t *testing.T) {
	t.Parallel()
	if text := scraped(t, New().calls); !strings.Contains(text, `flowkeeper_aws_calls_total{operation="ReceiveMessage",outcome="ok",service="SQS"} 0`+"\n") {
		t.Error(text)
	}
}

// scraped returns the text that a scrape of a collector returns.
func scraped(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestCallOutcomes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"DryRunOperation": "ok", "RequestLimitExceeded": "throttled", "InternalError": "failed", "KmsDisabled": "failed",
		"UnauthorizedOperation": "denied", "AccessDenied": "denied", "AccessDeniedException": "denied", // EC2, S3 and STS, IAM
		"AuthorizationError": "denied", "KMSAccessDenied": "denied", // SNS
		"KmsAccessDenied": "denied", "KMS.AccessDeniedException": "denied", // SQS, by either protocol
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			if got := callOutcome(&smithy.GenericAPIError{Code: code}); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	if callOutcome(nil) != "ok" || callOutcome(errors.New("no route to host")) != "failed" {
		t.Error("no error must be ok, and an error that is no answer of AWS failed")
	}
}

func TestRestoreOutcomes(t *testing.T) {
	t.Parallel()
	in := func(s incident.State, adopted bool) incident.Incident {
		return incident.Incident{State: s, Adopted: adopted}
	}
	superseded := incident.Incident{State: incident.Closed, Reason: incident.Superseded}
	for _, c := range []struct {
		before, after incident.Incident
		want          string
	}{
		{in(incident.Open, false), in(incident.Open, false), ""},
		{in(incident.Open, false), in(incident.Restored, false), "created"},
		{in(incident.Blocked, false), in(incident.Restored, true), "adopted"},
		{in(incident.Open, false), in(incident.Blocked, false), "blocked"},
		{in(incident.Blocked, false), in(incident.Blocked, false), ""}, // another reason is no other outcome
		{in(incident.Open, false), in(incident.Closed, false), "closed"},
		{in(incident.Restored, false), superseded, ""}, // the replacement was lost, and has an incident of its own, which is counted
		{in(incident.Open, false), superseded, ""},
		{in(incident.Restored, true), in(incident.Verified, true), ""},
	} {
		t.Run(fmt.Sprintf("%s to %s %q", c.before.State, c.after.State, c.after.Reason), func(t *testing.T) {
			t.Parallel()
			if got := outcomeOf(c.before, c.after); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
