package daemon

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowkeeper/internal/store"
)

var (
	flowLogsMetric   = prometheus.NewDesc("flowkeeper_flow_logs", "Flow logs of the snapshot, by state.", []string{"state"}, nil)
	incidentsMetric  = prometheus.NewDesc("flowkeeper_incidents", "Incidents that are remembered, by state.", []string{"state"}, nil)
	restorableMetric = prometheus.NewDesc("flowkeeper_restorable",
		"Protected flow logs, by whether the last rehearsal showed that AWS would allow their restore (yes, no; unknown: not rehearsed yet).", []string{"answer"}, nil)
)

// scrape is as long as one may take.
const scrape = 8 * time.Second

// metrics answers /metrics, with what the state file holds at that moment.
func (d *Daemon) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(counted{d.store})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: scrape})
}

// counted is the state file as a source of metrics.
type counted struct{ store *store.Store }

// Describe implements prometheus.Collector.
func (counted) Describe(to chan<- *prometheus.Desc) {
	to <- flowLogsMetric
	to <- incidentsMetric
	to <- restorableMetric
}

// Collect implements prometheus.Collector. Every state has a value at every
// scrape, or an alert on it would never begin.
func (c counted) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	n, err := c.store.Counts(ctx)
	for _, m := range []struct {
		desc  *prometheus.Desc
		count map[string]int
		words []string
	}{
		{flowLogsMetric, n.FlowLogs, []string{"live", "gone"}},
		{incidentsMetric, n.Incidents, []string{"open", "restored", "verified", "blocked", "closed"}},
		{restorableMetric, n.Restorable, []string{"yes", "no", "unknown"}},
	} {
		if err != nil {
			to <- prometheus.NewInvalidMetric(m.desc, err)
			continue
		}
		for _, w := range m.words {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, float64(m.count[w]), w)
		}
	}
}
