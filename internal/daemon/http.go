package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"flowkeeper/internal/metrics"
	"flowkeeper/internal/organization"
	"flowkeeper/inventory"
)

// listen opens http.listen, or returns nil if that is empty.
func listen(address string) (l net.Listener, err error) {
	if address == "" {
		return nil, nil
	}
	if l, err = net.Listen("tcp", address); err != nil {
		err = fmt.Errorf("http.listen: %w: choose another address, or \"\" for none", err)
	}
	return l, err
}

// serve answers /healthz, /readyz and /metrics until ctx ends.
func (h health) serve(ctx context.Context) error {
	if h.listener == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, "ok", h.healthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		err := h.ready()
		good := "ok"
		if err == nil {
			good = fmt.Sprintf("ok, %s", h.refreshes.overview().share())
		}
		answer(w, good, err)
	})
	mux.Handle("GET /metrics", h.scrape().Handler())
	srv := newServer(mux)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil { // a client keeps a connection open
			srv.Close()
		}
	})
	if err := srv.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http.listen: %w", err)
	}
	<-stopped
	return nil
}

// newServer limits the time and memory that one connection, and all connections, can take.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 2 << 10, ConnState: closeAbove(maxConnections)}
}

// maxConnections is how many connections are open at once: everybody on this machine may
// connect, and each connection takes memory.
const maxConnections = 64

// closeAbove closes each new connection while most others are open.
func closeAbove(most int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			if open.Add(1) > most {
				c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

func answer(w http.ResponseWriter, good string, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, good)
}

// scrape returns the source of /metrics.
func (h health) scrape() *metrics.Scrape {
	return &metrics.Scrape{Meters: h.meters, Store: h.store, Version: h.Version, Log: h.Log, Daemon: h}
}

// Accounts implements metrics.Daemon: it counts the accounts by what the daemon does there. Before AWS has been
// reached, all known accounts count as unreachable.
func (h health) Accounts(ctx context.Context) (n metrics.Accounts, err error) {
	var members []organization.Member
	if n.Organization = h.Config.Organization.RoleName != ""; n.Organization {
		if members, n.Listed, err = h.store.Accounts(ctx); err != nil {
			return n, err
		}
	}
	for _, m := range members {
		if m.Departed() && !isConfigured(h.Config, m.ID) {
			n.Departed++
		}
	}
	if !h.connected.Load() {
		n.Unreachable = len(ProtectedAccounts(h.Config, "", members))
		return n, nil
	}
	for _, account := range h.fleet.Accounts() {
		if h.refreshes.accounts.fails(account) {
			n.Unreachable++
		} else {
			n.Protected++
		}
	}
	return n, nil
}

// AlertRefreshed implements metrics.Daemon.
func (h health) AlertRefreshed() int {
	if !h.connected.Load() {
		return 0
	}
	return h.refreshes.overview().alerted()
}

// Current implements metrics.Daemon: it returns when each scope of the configuration was last refreshed, the zero time if
// never. Scopes that are configured no more, and those whose Region is not enabled, are left
// out: their age is no reason for an alarm. Before AWS has been reached it returns remembered.
func (h health) Current(remembered map[inventory.Scope]time.Time) map[inventory.Scope]time.Time {
	if !h.connected.Load() {
		return remembered
	}
	out := map[inventory.Scope]time.Time{}
	for _, s := range h.fleet.Scopes() {
		if !h.refreshes.overview().isDisabled(s) {
			out[s] = remembered[s]
		}
	}
	return out
}
