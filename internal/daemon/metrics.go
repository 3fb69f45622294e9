package daemon

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

var (
	flowLogsMetric   = prometheus.NewDesc("flowkeeper_flow_logs", "Flow logs of the snapshot, by state.", []string{"state"}, nil)
	incidentsMetric  = prometheus.NewDesc("flowkeeper_incidents", "Incidents that are remembered, by state.", []string{"state"}, nil)
	restorableMetric = prometheus.NewDesc("flowkeeper_restorable",
		"Protected flow logs that are not released, by whether the last rehearsal showed that AWS would allow their restore (yes, no; unknown: not rehearsed yet).", []string{"answer"}, nil)
	releasedMetric  = prometheus.NewDesc("flowkeeper_flow_logs_released", "Flow logs that a release lets be deleted without being restored; not among the restorable.", nil, nil)
	pendingMetric   = prometheus.NewDesc("flowkeeper_alerts_pending", "Alerts that a sink has not got yet.", []string{"sink"}, nil)
	parkedMetric    = prometheus.NewDesc("flowkeeper_alerts_parked", "Alerts that were given up after days, by the sink that did not take them.", []string{"sink"}, nil)
	refreshedMetric = prometheus.NewDesc("flowkeeper_refresh_last_success_timestamp_seconds", "When the last complete refresh of a scope began; 0: it had none.", []string{"account", "region"}, nil)
	sizeMetric      = prometheus.NewDesc("flowkeeper_state_bytes", "Size of the state file.", nil, nil)

	stored = []*prometheus.Desc{flowLogsMetric, incidentsMetric, restorableMetric, releasedMetric, pendingMetric, parkedMetric, refreshedMetric, sizeMetric}
)

// scrape is as long as one may take.
const scrape = 8 * time.Second

// metrics answers /metrics, with what the state file holds at that moment.
func (d *Daemon) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(d.meters.collectors()...)
	r.MustRegister(droppedMetrics(d.store)...)
	r.MustRegister(counted{d.store, d.Log, slices.Sorted(maps.Keys(d.sinks)), d.current, &outage.Outage{}}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "flowkeeper_build_info", Help: "Always 1; the label says which version this is.",
			ConstLabels: prometheus.Labels{"version": d.Version}}, func() float64 { return 1 }))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: scrape})
}

// current are the refreshes of the scopes that are configured, the zero time for
// one that had none: what is configured no more is nobody's alarm, and what was
// never refreshed is one. A Region that is not enabled is none either. Before AWS has been reached they are those remembered.
func (d *Daemon) current(remembered map[inventory.Scope]time.Time) map[inventory.Scope]time.Time {
	if !d.connected.Load() {
		return remembered
	}
	out := map[inventory.Scope]time.Time{}
	for _, s := range d.fleet.Scopes() {
		if !d.refreshes.isOff(s) {
			out[s] = remembered[s]
		}
	}
	return out
}

// counted is the state file as a source of metrics.
type counted struct {
	store   *store.Store
	log     *slog.Logger
	sinks   []string
	current func(map[inventory.Scope]time.Time) map[inventory.Scope]time.Time
	reading *outage.Outage
}

// Describe implements prometheus.Collector.
func (counted) Describe(to chan<- *prometheus.Desc) {
	for _, d := range stored {
		to <- d
	}
}

// Collect implements prometheus.Collector. Every state and every sink has a
// value at every scrape, or an alert on it would never begin. While the file
// can't be read none has: the other metrics stay, and an alert tells of these.
func (c counted) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	n, err := c.store.Counts(ctx)
	if c.reading.Note(err) == outage.Began {
		c.log.Warn("/metrics lacks what the state file holds", "error", err)
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
		{restorableMetric, n.Restorable, []string{"yes", "no", "unknown"}},
		{pendingMetric, n.Pending, c.sinks},
		{parkedMetric, n.Parked, c.sinks},
	} {
		for _, w := range m.words {
			gauge(m.desc, float64(m.count[w]), w)
		}
	}
	for s, at := range c.current(n.RefreshedAt) {
		seconds := 0.0 // never
		if !at.IsZero() {
			seconds = float64(at.UnixMilli()) / 1000
		}
		gauge(refreshedMetric, seconds, s.Account, s.Region)
	}
	gauge(releasedMetric, float64(n.Released.FlowLogs))
	gauge(sizeMetric, float64(n.Size))
}
