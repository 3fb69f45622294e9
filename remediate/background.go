package remediate

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"flowkeeper/internal/detection"
)

// What Handle asks AWS for goes on by itself once the message's commit is on disk,
// so that a Region that does not answer holds no handler that another Region's
// messages need. A crash loses nothing by it: the restorer observes for itself, and
// a refresh finds what was created.
const (
	maxBackground = 4               // calls of one scope at a time; more are left to restorer and refresh
	createdGrace  = 2 * time.Second // a handler waits for what was created, while the scope answers as fast as that
)

// inBackground runs a task beside the caller; done is closed when it has ended. ok is
// false where too many of the scope run already.
func (in intake) inBackground(task func()) (done <-chan struct{}, ok bool) {
	running := &in.memory.background
	if running.Add(1) > maxBackground {
		running.Add(-1)
		return nil, false
	}
	ended := make(chan struct{})
	in.tasks.Go(func() {
		defer close(ended)
		defer running.Add(-1)
		defer func() {
			if p := recover(); p != nil {
				in.log.Error("a look beside a message failed", "error", fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		task()
	})
	return ended, true
}

// observeWhile runs what asks AWS about a message's findings beside commit, and returns
// what commit does: soon after it, whatever AWS does. The restorer is woken when
// the look has ended, at the latest when it would not count any more.
func (in intake) observeWhile(ctx context.Context, fs []detection.Finding, commit func() error) error {
	of := func(k detection.Kind) bool {
		return slices.ContainsFunc(fs, func(f detection.Finding) bool { return f.Kind == k })
	}
	committed, looks := make(chan struct{}), false
	if of(detection.Deleted) {
		_, looks = in.inBackground(func() {
			defer in.memory.wakeUp()
			defer func() { <-committed }()
			ctx, cancel := context.WithTimeout(ctx, observationFresh)
			defer cancel()
			in.observeNamed(ctx, fs)
		})
	}
	var learned <-chan struct{}
	if of(detection.Created) {
		var ok bool
		if learned, ok = in.inBackground(func() { in.learnCreatedInTime(ctx, fs) }); !ok {
			in.refreshSoon()
		}
	}
	err := func() error {
		defer close(committed) // even if it panics
		return commit()
	}()
	if !looks {
		in.memory.wakeUp()
	}
	if learned != nil && in.memory.slow.Load() == 0 {
		t := time.NewTimer(createdGrace)
		defer t.Stop()
		select {
		case <-learned:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return err
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
