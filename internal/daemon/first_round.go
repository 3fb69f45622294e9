package daemon

import (
	"log/slog"
	"time"

	"flowkeeper/inventory"
)

// firstRound is the first refreshes of the scopes that are there at the start. One line of log
// sums them up. The mutex of refreshes guards it.
type firstRound struct {
	began        time.Time
	scopes, left int
	failed       int
	sum          inventory.Counts
}

// over notes the end of the first refresh of a scope: its counts, or that it failed. It reports
// whether it was part of the round, and whether it was the last of several: then the round is to
// be logged. The caller holds mu.
func (f *firstRound) over(st *scopeRefreshes, c inventory.Counts, failed bool) (part, last bool) {
	if !st.first {
		return false, false
	}
	st.first = false
	f.left--
	if failed {
		f.failed++
	}
	f.sum.Listed, f.sum.New, f.sum.Changed, f.sum.Lost = f.sum.Listed+c.Listed, f.sum.New+c.New, f.sum.Changed+c.Changed, f.sum.Lost+c.Lost
	return f.scopes > 1, f.scopes > 1 && f.left == 0
}

// log logs the round. Once it is over, nobody changes it.
func (f *firstRound) log(log *slog.Logger) {
	log.Info("refreshed", "scopes", f.scopes, "failed", f.failed, "listed", f.sum.Listed, "new", f.sum.New,
		"changed", f.sum.Changed, "lost", f.sum.Lost, "took", time.Since(f.began).Round(time.Millisecond).String())
}
