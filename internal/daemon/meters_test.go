package daemon

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/metrics"
	"flowkeeper/inventory"
)

// value returns the value of a series of /metrics, whose name and labels are given as they are written there; -1: there
// is no such series.
func (h *house) value(series string) float64 {
	h.t.Helper()
	_, body := h.get("/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func TestMetersCountOneDeletion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	id := h.plant(region, "vpc-1")
	h.refreshed()
	for _, never := range []string{
		`flowkeeper_restores_total{outcome="created"}`, `flowkeeper_restores_total{outcome="blocked"}`,
		`flowkeeper_alerts_total{outcome="failed",sink="pager"}`, `flowkeeper_messages_total{kind="eventbridge",outcome="unparsable"}`,
		`flowkeeper_records_ignored_total{reason="insight"}`, `flowkeeper_blind_seconds_count`, `flowkeeper_detection_delay_seconds_count`,
		`flowkeeper_incident_reasons_total{reason="token_used",state="blocked"}`, `flowkeeper_incidents_blocked{reason="token_used"}`, `flowkeeper_incidents_unreported`,
		`flowkeeper_dropped_rows_total`, `flowkeeper_dropped_alerts_total`,
	} {
		if v := h.value(never); v != 0 {
			t.Errorf("%s is %v before anything happened", never, v)
		}
	}
	if err := h.world.Send(h.queue, "garbage"); err != nil {
		t.Fatal(err)
	}
	insight := `{"eventType":"AwsCloudTrailInsight","eventCategory":"Insight","insightDetails":{"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs"}}`
	if err := h.world.Send(h.queue, insight); err != nil {
		t.Fatal(err)
	}
	h.strike(id)
	h.await("the Insights event", func() bool { return h.value(`flowkeeper_records_ignored_total{reason="insight"}`) == 1 })
	h.await("the end of the incident", func() bool {
		return h.value(`flowkeeper_restores_total{outcome="created"}`) == 1 && h.value(`flowkeeper_incidents{state="verified"}`) == 1
	})
	h.await("the alerts", func() bool { return h.value(`flowkeeper_alerts_total{outcome="sent",sink="pager"}`) == 3 })
	h.await("the garbage", func() bool { return h.value(`flowkeeper_messages_total{kind="unknown",outcome="unparsable"}`) == 1 })
	for series, want := range map[string]float64{
		`flowkeeper_blind_seconds_count`:                                                                 1,
		`flowkeeper_detection_delay_seconds_count`:                                                       1,
		`flowkeeper_messages_total{kind="eventbridge",outcome="handled"}`:                                2, // the restore's own record comes back
		`flowkeeper_aws_calls_total{operation="CreateFlowLogs",outcome="ok",service="EC2"}`:              1,
		`flowkeeper_aws_calls_total{operation="DescribeFlowLogs",outcome="failed",service="EC2"}`:        -1,
		`flowkeeper_aws_calls_total{operation="GetQueueAttributes",outcome="ok",service="SQS"}`:          1,
		`flowkeeper_aws_calls_total{operation="ChangeMessageVisibility",outcome="ok",service="SQS"}`:     1,
		`flowkeeper_aws_calls_total{operation="ChangeMessageVisibility",outcome="denied",service="SQS"}`: -1,
	} {
		if v := h.value(series); v != want {
			t.Errorf("%s is %v, want %v", series, v, want)
		}
	}
	if d := h.value(`flowkeeper_detection_delay_seconds_sum`); d < 0 || d > patience.Seconds() {
		t.Errorf("detected after %v s", d)
	}
}

// TestMetersCountAccounts: the metrics count protected, unreachable and departed accounts. An account whose role is
// refused is unreachable, even if it was refreshed before.
func TestMetersCountAccounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.world.SetRoleLifetime(15 * time.Minute)
		h.world.AddRole(roleIn(payments), "")
		h.world.AddAccount(fakeawstest.Root, payments, "payments-prod")
		h.world.AddAccount(fakeawstest.Root, sandbox, "sandbox") // this account has no role
		begun := time.Now()
		h.refreshed()
		counts := func() metrics.Accounts {
			n, err := h.daemon.health().Accounts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !n.Organization || n.Listed.Before(begun) {
				t.Errorf("%+v", n)
			}
			return n
		}
		are := func(protected, unreachable, departed int) func() bool {
			return func() bool {
				n := counts()
				return n.Protected == protected && n.Unreachable == unreachable && n.Departed == departed
			}
		}
		h.await("one to be unreachable", are(2, 1, 0))
		h.world.AddRole(roleIn(payments), "another external ID")
		time.Sleep(20 * time.Minute) // until its session ends
		h.await("two to be unreachable", are(1, 2, 0))
		h.world.AddRole(roleIn(payments), "")
		h.world.RemoveAccount(sandbox)
		time.Sleep(10 * time.Minute)
		h.await("one to be gone", are(2, 0, 1))
		listed := counts().Listed
		h.world.Deny("flowkeeper", "ListAccounts")
		time.Sleep(time.Hour)
		if got := counts().Listed; !got.Equal(listed) {
			t.Errorf("the time of the last listing changed from %s to %s, although listings were denied", listed, got)
		}
		h.halt()

		h.world.Allow("flowkeeper", "ListAccounts")
		h.daemon.Config.Accounts = []configs.Account{{ID: sandbox}}
		h.newDaemon()
		close(h.done) // the daemon's loops do not run
		h.connected(t.Context())
		if !are(3, 0, 0)() {
			t.Errorf("with a departed account that is configured: %+v, want 3 protected", counts())
		}
		h.daemon.connected.Store(false)
		if !are(0, 3, 0)() {
			t.Errorf("before AWS is reached: %+v, want 3 unreachable", counts())
		}
		h.daemon.connected.Store(true)
	})
}

// TestRefreshedAtOfWhatIsConfigured: a configured scope that was never refreshed has the time 0, so that an alerting
// rule fires. A scope that is not configured any more has no series.
func TestRefreshedAtOfWhatIsConfigured(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Regions = []string{region, "us-east-1"}
	h.refreshed()
	of := func(r string) inventory.Scope { return inventory.Scope{Account: account, Region: r} }
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := h.daemon.health().Current(map[inventory.Scope]time.Time{of(region): at, of("eu-north-1"): at})
	if d := cmp.Diff(map[inventory.Scope]time.Time{of(region): at, of("us-east-1"): {}}, got); d != "" {
		t.Error(d)
	}
}

// The names, units and help texts of the metrics follow Prometheus's conventions.
func TestMetricsAreConventional(t *testing.T) {
	t.Parallel()
	h := organized(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.refreshed()
	code, body := h.get("/metrics")
	if code != http.StatusOK {
		t.Fatal(code)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "flowkeeper_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	families := regexp.MustCompile(`(?m)^# TYPE (flowkeeper_\S+)`).FindAllStringSubmatch(body, -1)
	if len(families) < 12 {
		t.Errorf("%d metrics, want 12 at least", len(families))
	}
}

// TestAlertingRulesAskForWhatIsThere: an alerting rule on a metric or a label that no daemon
// has would never fire.
func TestAlertingRulesAskForWhatIsThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	h := organized(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.daemon.Config.Inventory.Schedule = "@every 1s"
	h.plant(region, "vpc-1")
	h.refreshed()
	// Failures cause series that alerting rules use, and that a daemon without failures does not have.
	h.world.Throttle("DescribeFlowLogs", 1)
	h.world.Fail("DescribeFlowLogs", 1, "UnauthorizedOperation", http.StatusForbidden)
	var body string
	h.await("both failures in the metrics", func() bool {
		_, body = h.get("/metrics")
		return strings.Contains(body, `flowkeeper_aws_calls_total{operation="DescribeFlowLogs",outcome="throttled",service="EC2"} 1`) && strings.Contains(body, `outcome="denied"`)
	})
	selectors := regexp.MustCompile(`(flowkeeper_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(string(text), -1)
	if len(selectors) < 13 {
		t.Fatalf("%d selectors", len(selectors))
	}
	for _, s := range selectors {
		if !h.has(body, s[1], s[2]) {
			t.Errorf("%s selects no series of a running daemon", s[0])
		}
	}
	for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if label[1] != "instance" && !strings.Contains(body, label[1]+`="`) {
			t.Errorf("no metric has the label %s", label[1])
		}
	}
}

// has reports whether a scrape has a series of a metric whose labels fit all matchers (= and =~) of a selector.
func (h *house) has(scrape, metric, matchers string) bool {
	h.t.Helper()
	for _, series := range regexp.MustCompile(`(?m)^`+metric+`(?:\{(.*)\})? \S+$`).FindAllStringSubmatch(scrape, -1) {
		fits := true
		for _, m := range regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`).FindAllStringSubmatch(matchers, -1) {
			value := m[3]
			if m[2] == "=" {
				value = regexp.QuoteMeta(value)
			}
			fits = fits && regexp.MustCompile(`(^|,)`+m[1]+`="(`+value+`)"`).MatchString(series[1])
		}
		if fits {
			return true
		}
	}
	return false
}
