package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// storeHealth knows whether the state file takes commits, and has messages received again
// that waited for it. It is safe for concurrent use.
type storeHealth struct {
	log       *slog.Logger
	commit    func(context.Context) error // tries whether the file can be written
	showAgain chan struct{}               // holds one where the watcher should receive the messages again that failed

	mu      sync.Mutex // guards what follows
	broken  bool       // a commit failed, and none has succeeded since
	waiting bool       // messages failed because the file could not be written
	shownAt time.Time  // when messages were last received again
}

// failed notes that a commit failed, and why; nil: not known.
func (h *storeHealth) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken, h.waiting = true, h.waiting || store.Unwritable(err)
}

// showAgainPause is the shortest time between two times that failed messages are received
// again at once. A file with too little room for a message fails it each time, and a
// message may not be received often before it goes to the dead-letter queue.
const showAgainPause = time.Minute

// retry tries a commit where the last one failed. Once it succeeds, the messages that
// failed because the file could not be written are received again at once. A message
// whose commit failed for a reason of its own is received after its visibility timeout.
func (h *storeHealth) retry(ctx context.Context, now time.Time) {
	h.mu.Lock()
	due := h.broken || h.waiting
	h.mu.Unlock()
	if !due {
		return
	}
	err := h.commit(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken = err != nil; h.broken || !h.waiting || now.Sub(h.shownAt) < showAgainPause {
		return
	}
	h.waiting, h.shownAt = false, now
	h.log.Info("the state file can be written again")
	retry.Wake(h.showAgain)
}

// ready returns an error if the last commit failed.
func (h *storeHealth) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return errNotStored
	}
	return nil
}

var errNotStored = errors.New("the state file can't be written")

// tryCommit writes a fact that is never set, to see whether the file can be written.
func (d *Daemon) tryCommit(ctx context.Context) error {
	return d.store.Update(ctx, func(tx *store.Tx) error { return tx.SetOutageAlerted(inventory.Scope{}, pipeline.StateFile, false) })
}
