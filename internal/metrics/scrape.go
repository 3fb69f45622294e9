package metrics

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

var (
	flowLogsMetric   = prometheus.NewDesc("flowkeeper_flow_logs", "Flow logs of the snapshot, by state.", []string{"state"}, nil)
	incidentsMetric  = prometheus.NewDesc("flowkeeper_incidents", "Incidents that are remembered, by state.", []string{"state"}, nil)
	blockedMetric    = prometheus.NewDesc("flowkeeper_incidents_blocked", "Incidents that are blocked, by the reason; other: one that this version does not know.", []string{"reason"}, nil)
	unreportedMetric = prometheus.NewDesc("flowkeeper_incidents_unreported", "Incidents of the last day that a refresh found and that no event has reported, 10000 at most. Not counted are closed ones (AWS removes the flow logs of a deleted resource without an event) and adopted ones (another daemon on the queue may have received their events).", nil, nil)
	restorableMetric = prometheus.NewDesc("flowkeeper_restorable",
		"Protected flow logs that are not released, by whether the last rehearsal showed that AWS would allow their restore (yes, no; unknown: not rehearsed yet).", []string{"answer"}, nil)
	releasedMetric  = prometheus.NewDesc("flowkeeper_flow_logs_released", "Flow logs that a release lets be deleted without being restored; not among the restorable.", nil, nil)
	decoysMetric    = prometheus.NewDesc("flowkeeper_flow_logs_unprotected", "Flow logs that would not be restored because they count as decoys.", nil, nil)
	heldMetric      = prometheus.NewDesc("flowkeeper_flow_logs_held", "Flow logs that are not protected because nobody has approved where they deliver.", nil, nil)
	pendingMetric   = prometheus.NewDesc("flowkeeper_alerts_pending", "Alerts that a sink has not got yet.", []string{"sink"}, nil)
	parkedMetric    = prometheus.NewDesc("flowkeeper_alerts_parked", "Alerts that were given up after days, by the sink that did not take them.", []string{"sink"}, nil)
	refreshedMetric = prometheus.NewDesc("flowkeeper_refresh_last_success_timestamp_seconds", "When the last complete refresh of a scope began; 0: it had none. Of more than 100 scopes, the 100 whose refresh is the longest ago.", []string{"account", "region"}, nil)
	scopesMetric    = prometheus.NewDesc("flowkeeper_scopes", "Scopes that are refreshed, by whether they ever had a complete refresh (yes, no).", []string{"refreshed"}, nil)
	oldestMetric    = prometheus.NewDesc("flowkeeper_refresh_oldest_success_timestamp_seconds", "When the least recent of the scopes' last complete refreshes began, of scopes that had one; 0: none had.", nil, nil)
	accountsMetric  = prometheus.NewDesc("flowkeeper_accounts", "Accounts by state: protected, unreachable (to be protected, but without credentials for any Region there), departed (not protected any more: left the organisation, inactive, or not selected).", []string{"state"}, nil)
	listedMetric    = prometheus.NewDesc("flowkeeper_organization_list_last_success_timestamp_seconds", "When the accounts of the organisation were last listed; 0: never. Only where organization.role_name is set.", nil, nil)
	sizeMetric      = prometheus.NewDesc("flowkeeper_state_bytes", "Size of the state file.", nil, nil)

	stored = []*prometheus.Desc{flowLogsMetric, incidentsMetric, blockedMetric, unreportedMetric, restorableMetric, releasedMetric, heldMetric, decoysMetric, pendingMetric, parkedMetric, refreshedMetric, scopesMetric, oldestMetric, accountsMetric, listedMetric, sizeMetric}
)

// scrapeTimeout is how long one scrape may take.
const scrapeTimeout = 8 * time.Second

// Scrape answers Prometheus. It must not be copied after its first use.
type Scrape struct {
	Meters  *Meters
	Store   *store.Store
	Version string
	Log     *slog.Logger
	Daemon  Daemon

	reading outage.Outage // of the state file
}

// Daemon is what /metrics asks of the daemon that runs. It is safe for concurrent use.
type Daemon interface {
	// Current returns the refreshes to show, given those in the state file, with the zero time
	// for a scope that had none.
	Current(remembered map[inventory.Scope]time.Time) map[inventory.Scope]time.Time
	// Accounts returns the accounts to show.
	Accounts(context.Context) (Accounts, error)
	// AlertRefreshed returns how many scopes are refreshed each inventory.alert_refresh.
	AlertRefreshed() int
}

// Accounts are the accounts as /metrics shows them. Each is in one of the three numbers.
type Accounts struct {
	Protected   int
	Unreachable int // to be protected, but there are no credentials for them
	Departed    int
	// Organization: AWS Organizations is asked for the accounts. Listed is when they were last listed; zero: never.
	Organization bool
	Listed       time.Time
}

// Handler answers /metrics, with what the state file holds at that moment. It is called once.
func (s *Scrape) Handler() http.Handler {
	r := s.Meters.registry
	auto := promauto.With(r)
	dropped := func(name, help string, value func(store.Dropped) int64) {
		auto.NewCounterFunc(prometheus.CounterOpts{Name: "flowkeeper_" + name, Help: help}, func() float64 { return float64(value(s.Store.Dropped())) })
	}
	dropped("dropped_rows_total", "Rows of the state file about calls that anybody can repeat (attempts, tampering, unknown flow logs), dropped to keep its bound.",
		func(d store.Dropped) int64 { return d.Rows })
	dropped("dropped_alerts_total", "Alerts among them that a sink had not got yet.", func(d store.Dropped) int64 { return d.Undelivered })
	auto.NewGaugeFunc(prometheus.GaugeOpts{Name: "flowkeeper_alert_refresh_scopes", Help: "Scopes that are refreshed every inventory.alert_refresh, because of a deletion, an attempt or tampering in their account within the last hour."},
		func() float64 { return float64(s.Daemon.AlertRefreshed()) })
	auto.NewGauge(prometheus.GaugeOpts{Name: "flowkeeper_build_info", Help: "Always 1; the label says which version this is.",
		ConstLabels: prometheus.Labels{"version": s.Version}}).Set(1)
	r.MustRegister(s, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: scrapeTimeout})
}

// Describe implements prometheus.Collector.
func (*Scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range stored {
		to <- d
	}
}

// Collect implements prometheus.Collector. Every state and every sink has a value at each
// scrape, because Prometheus does not alert on a series that is missing. While the state file
// can't be read, all of its metrics are missing, which has an alert of its own.
func (s *Scrape) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	n, err := s.Store.Counts(ctx)
	var unreported int
	if err == nil {
		unreported, err = s.Store.Unreported(ctx)
	}
	var accounts Accounts
	if err == nil {
		accounts, err = s.Daemon.Accounts(ctx)
	}
	if s.reading.Note(err) == outage.Began {
		s.Log.Warn("/metrics lacks what the state file holds", "error", err)
	}
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, m := range []struct {
		desc  *prometheus.Desc
		count map[string]int
		words []string
	}{
		{flowLogsMetric, n.FlowLogs, []string{"live", "gone"}},
		{incidentsMetric, n.Incidents, []string{"open", "restored", "verified", "blocked", "closed"}},
		{blockedMetric, knownReasons(n.Blocked, incident.BlockedReasons), withOther(incident.BlockedReasons)},
		{restorableMetric, n.Restorable, []string{"yes", "no", "unknown"}},
		{pendingMetric, n.Pending, s.Meters.sinks},
		{parkedMetric, n.Parked, s.Meters.sinks},
	} {
		for _, w := range m.words {
			gauge(m.desc, float64(m.count[w]), w)
		}
	}
	r := refreshesOf(s.Daemon.Current(n.RefreshedAt))
	for _, x := range r.shown {
		gauge(refreshedMetric, seconds(x.at), x.scope.Account, x.scope.Region)
	}
	gauge(scopesMetric, float64(r.had), "yes")
	gauge(scopesMetric, float64(r.never), "no")
	gauge(oldestMetric, seconds(r.oldest))
	gauge(accountsMetric, float64(accounts.Protected), "protected")
	gauge(accountsMetric, float64(accounts.Unreachable), "unreachable")
	gauge(accountsMetric, float64(accounts.Departed), "departed")
	if accounts.Organization {
		gauge(listedMetric, seconds(accounts.Listed))
	}
	gauge(unreportedMetric, float64(unreported))
	gauge(releasedMetric, float64(n.Released.FlowLogs))
	gauge(heldMetric, float64(n.Held))
	gauge(decoysMetric, float64(n.Decoys))
	gauge(sizeMetric, float64(n.Size))
}

// mostScopes is how many scopes have a series of their own, because each series costs memory in
// Prometheus. Alerting rules need the scopes that were refreshed longest ago.
const mostScopes = 100

// refreshed is a scope, and when its last complete refresh began; zero: it had none.
type refreshed struct {
	scope inventory.Scope
	at    time.Time
}

// refreshes sums up the refreshes of all scopes for /metrics.
type refreshes struct {
	shown      []refreshed // the longest ago first
	had, never int         // scopes that had a complete refresh, and others
	oldest     time.Time   // of those that had one; zero: none had
}

func refreshesOf(scopes map[inventory.Scope]time.Time) (r refreshes) {
	for scope, at := range scopes {
		r.shown = append(r.shown, refreshed{scope, at})
	}
	slices.SortFunc(r.shown, func(a, b refreshed) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.scope.Account, b.scope.Account), cmp.Compare(a.scope.Region, b.scope.Region))
	})
	for r.never < len(r.shown) && r.shown[r.never].at.IsZero() {
		r.never++
	}
	if r.had = len(r.shown) - r.never; r.had > 0 {
		r.oldest = r.shown[r.never].at
	}
	r.shown = r.shown[:min(len(r.shown), mostScopes)]
	return r
}

// seconds of a time since 1970, as Prometheus has it; 0: the zero time.
func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
