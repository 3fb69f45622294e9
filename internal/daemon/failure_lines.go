package daemon

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// failureLines logs places that begin to fail: the first one at once, and those that follow it in one line for
// each cause, after a pause that grows while more of them follow. Otherwise a start with an organisation whose roles are
// refused would log a line for each account. It is safe for concurrent use.
type failureLines struct {
	log       *slog.Logger
	one, many string // what a line says of one place, and of several that have one cause

	mu      sync.Mutex // guards what follows
	waiting map[inventory.Scope]error
	pause   *time.Timer // nil: the next place is logged at once
	pauses  int
}

// failurePauses are the pauses after a line. The next failure is logged at once only if nothing failed during
// the last pause.
var failurePauses = retry.Backoff{First: 15 * time.Second, Most: 10 * time.Minute}

// namedFailures is how many places a line names at most.
const namedFailures = 100

// began logs that a place fails, at once or with others: one whole account, or a Region of it.
func (l *failureLines) began(s inventory.Scope, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[inventory.Scope]error{}
	}
	l.waiting[s] = err
	if l.pause == nil {
		l.writeAndPause()
	}
}

// writeAndPause logs what waits, and begins the next pause if there was something. The caller holds mu.
func (l *failureLines) writeAndPause() {
	if len(l.waiting) == 0 {
		l.pause, l.pauses = nil, 0
		return
	}
	l.write()
	l.pause = time.AfterFunc(failurePauses.Pause(l.pauses), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.writeAndPause()
	})
	l.pauses++
}

// end logs what still waits. Nothing begins to fail after it.
func (l *failureLines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pause != nil {
		l.pause.Stop()
	}
	l.write()
}

// write logs what waits. The caller holds mu.
func (l *failureLines) write() {
	of := map[scopes.Cause][]string{}
	first := map[scopes.Cause]inventory.Scope{}
	for _, s := range slices.SortedFunc(maps.Keys(l.waiting), func(a, b inventory.Scope) int { return cmp.Compare(a.String(), b.String()) }) {
		cause := scopes.CauseOf(l.waiting[s])
		if of[cause] = append(of[cause], strings.TrimSuffix(s.String(), "/")); len(of[cause]) == 1 {
			first[cause] = s
		}
	}
	for _, cause := range scopes.Causes {
		failed, s := of[cause], first[cause]
		log := l.log.With("account", s.Account)
		if s.Region != "" {
			log = log.With("region", s.Region)
		}
		switch len(failed) {
		case 0:
		case 1:
			log.Warn(l.one, "error", l.waiting[s])
		default:
			if more := len(failed) - namedFailures; more > 0 {
				failed = append(failed[:namedFailures], fmt.Sprintf("%d more", more))
			}
			log.Warn(l.many, "error", l.waiting[s], "failed", strings.Join(failed, ", "))
		}
	}
	clear(l.waiting)
}
