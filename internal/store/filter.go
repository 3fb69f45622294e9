package store

import (
	"strings"
	"time"
)

// Filter chooses what a list shows; its zero value is all.
type Filter struct {
	States   []string // of alerts: of a delivery, as DeliveryState has it
	Accounts []string
	Regions  []string
	Sinks    []string  // of alerts: one of them has it or is to get it
	Failed   bool      // of alerts: a sink has refused it and not taken it since
	Since    time.Time // flow logs: first seen or gone since; incidents: detected; alerts: raised
	Begins   string    // what the ID begins with
	Limit    int       // at most so many; 0: all
}

// where is the condition of a query, built of parts that all must hold.
type where struct {
	parts []string
	args  []any
}

func (w *where) and(part string, args ...any) {
	w.parts, w.args = append(w.parts, part), append(w.args, args...)
}

// in asks for one of the values, where there are any.
func (w *where) in(column string, values []string) {
	if len(values) > 0 {
		w.and(column+` IN (SELECT value FROM json_each(?))`, body(values))
	}
}

func (w *where) begins(column, with string) {
	if with != "" {
		w.and(`substr(`+column+`, 1, length(?)) = ?`, with, with)
	}
}

func (w where) String() string { return `(` + strings.Join(w.parts, `) AND (`) + `)` }

// left is how many more rows a page may bring, of a list of which n are shown.
func (f Filter) left(n, page int) int {
	if f.Limit > 0 {
		return min(page, f.Limit-n)
	}
	return page
}
