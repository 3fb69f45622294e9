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

// Calls to AWS that RecordFindings starts may go on after the commit of the message. So a
// Region that does not answer does not block the handlers, which the messages of other
// Regions need. A crash loses nothing: the restorer observes by itself, and a refresh finds
// the flow logs that were created.
const (
	maxBackground = 4               // tasks of one scope at a time; the restorer and the refresh do the work of others
	createdGrace  = 2 * time.Second // the longest that a handler waits for learnCreated; it does not wait while the scope is slow
)

// commitWhileAsking asks AWS about a message's findings while commit runs. It returns the error of
// commit, at most createdGrace after commit has ended, even if AWS does not answer. It wakes the
// restorer when both commit and observation have ended: an observation takes observationFresh at most.
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
	observes := has(detection.Deleted) && in.inBackground(func() { defer ended(); in.observeNamed(ctx, fs) }) != nil
	if observes {
		runtime.Gosched() // the call goes out first: its answer takes longer than the commit
	} else {
		ended()
	}
	var learned <-chan struct{}
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

// inBackground runs a task at the same time as the caller, and returns a channel that is closed when the
// task has ended; nil: the task does not run, because maxBackground others of the scope do.
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

// learnCreatedInTime runs learnCreated. Once that has taken 90 % of createdGrace, the scope counts
// as slow until it ends. That is a little less than createdGrace, so that the scope counts as slow
// before the handler stops waiting and goes on to the next message.
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
