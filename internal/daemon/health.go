package daemon

import (
	"errors"
	"strings"
	"time"
)

// health reports how the daemon is: by HTTP, to systemd, and to the heartbeat's monitor. It
// changes nothing, and is safe for concurrent use after open.
type health struct{ d *Daemon }

func (d *Daemon) health() health { return health{d} }

// healthy returns an error if a loop or a task makes no progress.
func (h health) healthy() error {
	if ok, stalled := h.d.progress.Healthy(time.Now()); !ok {
		return errors.New("no progress: " + strings.Join(stalled, ", "))
	}
	return nil
}

// ready returns an error unless the first refresh of each scope is over, one of them was
// complete, the queue answers, and the store takes commits.
func (h health) ready() error {
	if !h.d.connected.Load() {
		return errors.New("AWS has not been reached yet")
	}
	if err := h.d.refreshes.ready(); err != nil {
		return err
	}
	if err := h.d.storeHealth.ready(); err != nil {
		return err
	}
	return h.d.queue.ready()
}

// unwell returns why a person should look at this daemon, or nil.
func (h health) unwell() error {
	if err := h.healthy(); err != nil {
		return err
	}
	if err := h.ready(); err != nil {
		return err
	}
	if err := h.d.refreshes.fresh(); err != nil {
		return err
	}
	return h.d.untaken.why(time.Now())
}
