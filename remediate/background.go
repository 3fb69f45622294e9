package remediate

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"flowkeeper/internal/detection"
)

// What RecordFindings asks AWS for goes on by itself once the message's commit is on disk,
// so that a Region that does not answer holds no handler that another Region's
// messages need. A crash loses nothing by it: the restorer observes for itself, and
// a refresh finds what was created.
const (
	maxBackground = 4               // calls of one scope at a time; more are left to restorer and refresh
	createdGrace  = 2 * time.Second // a handler waits for what was created, while the scope answers as fast as that
)

// commitWhileAsking asks AWS about a message's findings while commit runs, and returns what
// commit returns: soon after it, whatever AWS does. The restorer is woken when commit and
// observation have ended, at the latest when the observation would not count any more.
func (in intake) commitWhileAsking(ctx context.Context, fs []detection.Finding, commit func() error) error {
	has := func(k detection.Kind) bool {
		return slices.ContainsFunc(fs, func(f detection.Finding) bool { return f.Kind == k })
	}
	var left atomic.Int32
	left.Store(2) // commit and observation
	ended := func() {
		if left.Add(-1) == 0 {
			in.memory.wakeUp()
		}
	}
	var observed, learned <-chan struct{}
	if has(detection.Deleted) {
		observed = in.inBackground(func() { defer ended(); in.observeNamed(ctx, fs) })
		runtime.Gosched() // the question goes out first: its answer takes longer than the commit
	}
	if observed == nil {
		ended()
	}
	if has(detection.Created) {
		if learned = in.inBackground(func() { in.learnCreatedInTime(ctx, fs) }); learned == nil {
			in.refreshes.Soon(in.store.scope)
		}
	}
	err := func() error {
		defer ended() // even if it panics
		return commit()
	}()
	if learned != nil && in.memory.slow.Load() == 0 {
		ctx, cancel := context.WithTimeout(ctx, createdGrace)
		defer cancel()
		select {
		case <-learned:
		case <-ctx.Done():
		}
	}
	return err
}

// inBackground runs a task at the same time as the caller, and returns a channel that is closed when it
// has ended; nil: it does not run, for too many of the scope do.
func (in intake) inBackground(task func()) <-chan struct{} {
	running := &in.memory.background
	if running.Add(1) > maxBackground {
		running.Add(-1)
		return nil
	}
	ended := make(chan struct{})
	in.background(func() {
		defer close(ended)
		defer running.Add(-1)
		defer func() {
			if p := recover(); p != nil {
				in.log.Error("a call to AWS that a message began failed", "error", fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		task()
	})
	return ended
}

// learnCreatedInTime is learnCreated. While it takes almost as long as createdGrace, and longer,
// its scope counts as slow: before the handler that waits for it goes on to the next
// message.
func (in intake) learnCreatedInTime(ctx context.Context, fs []detection.Finding) {
	slow := &in.memory.slow
	late := time.AfterFunc(createdGrace*9/10, func() { slow.Add(1) })
	defer func() {
		if !late.Stop() {
			slow.Add(-1)
		}
		in.memory.wakeUp()
	}()
	in.learnCreated(ctx, fs)
}
