package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
)

// hanging is an HTTP client that does not return from one kind of call before release is closed, not even after the
// call's deadline.
type hanging struct {
	inner   aws.HTTPClient
	of      func(header http.Header, body string) bool
	reached chan struct{} // closed at the first such call
	release chan struct{}
	once    sync.Once
}

func (h *hanging) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if h.of(r.Header, string(body)) {
		h.once.Do(func() { close(h.reached) })
		<-h.release
		return nil, errors.New("the connection broke after a long time")
	}
	return h.inner.Do(r)
}

// stalled returns the loops and tasks that have made no progress since a time.
func (h *house) stalled(since time.Time) []string {
	return h.daemon.progress.Stalled(since.Add(maxSilence + time.Millisecond))
}

// If a call to AWS hangs, the loop or task that made it counts as stalled, and no other does. Then systemd's watchdog
// is not fed any more, and restarts the daemon.
func TestAHungCallStopsTheFeed(t *testing.T) {
	t.Parallel()
	for want, of := range map[string]func(http.Header, string) bool{
		"receive": func(h http.Header, _ string) bool {
			return strings.HasSuffix(h.Get("X-Amz-Target"), ".ReceiveMessage")
		},
		"refresh 111122223333/eu-west-1": func(_ http.Header, body string) bool {
			return strings.Contains(body, "Action=DescribeFlowLogs") && !strings.Contains(body, "Filter.")
		},
		"restore 111122223333/eu-west-1": func(_ http.Header, body string) bool {
			return strings.Contains(body, "Action=CreateFlowLogs") && !strings.Contains(body, "DryRun=true")
		},
		"rehearsal 111122223333/eu-west-1": func(_ http.Header, body string) bool {
			return strings.Contains(body, "Action=CreateFlowLogs") && strings.Contains(body, "DryRun=true")
		},
	} {
		t.Run(strings.Fields(want)[0], func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			id := h.plant(region, "vpc-1")
			var armed atomic.Bool
			net := &hanging{inner: h.daemon.AWS.HTTPClient, reached: make(chan struct{}), release: make(chan struct{})}
			net.of = func(header http.Header, body string) bool { return armed.Load() && of(header, body) }
			h.daemon.AWS.HTTPClient = net
			h.daemon.Config.Rehearsal.Schedule = "@every 1s"
			h.refreshed()
			t.Cleanup(func() { close(net.release) }) // before the daemon is stopped
			h.await("health", func() bool { return h.daemon.health().healthy() == nil })
			armed.Store(true)
			h.strike(id)
			<-net.reached
			since := time.Now()
			h.await("all loops but the one that hangs to make progress", func() bool {
				h.daemon.remediator.WakeRestorers()
				return slices.Equal(h.stalled(since), []string{want})
			})
		})
	}
}

func TestAHungCommitStopsTheFeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	h.await("the queue's answer to be noted", func() bool { v, err := h.daemon.store.Fact(t.Context(), factReceived); return err == nil && v != "" })
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- h.daemon.store.Update(t.Context(), func(*store.Tx) error {
			close(begun)
			<-release // a disk that does not answer
			return nil
		})
	}()
	t.Cleanup(func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-begun
	h.await("the store to make no progress for seconds, while the receiver does", func() bool {
		still := h.stalled(time.Now().Add(-3 * time.Second))
		return slices.Contains(still, "store") && !slices.Contains(still, "receive")
	})
}

// stuckSink is a sink whose Send does not return until the test ends.
type stuckSink struct {
	begun, release chan struct{}
	once           sync.Once
}

func (s *stuckSink) Send(context.Context, alert.Alert) error {
	s.once.Do(func() { close(s.begun) })
	<-s.release
	return errors.New("broken")
}

// withStuckSink gives the daemon a sink that hangs until the test ends.
func (h *house) withStuckSink() *stuckSink {
	s := &stuckSink{begun: make(chan struct{}), release: make(chan struct{})}
	h.daemon.Sinks["stuck"] = s
	return s
}

// On a full disk the handler of a message calls the sinks itself. If a sink hangs, the handler counts as stalled.
func TestAHungSinkPastTheStoreStopsTheFeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	stuck := h.withStuckSink()
	h.daemon.Config.Inventory.Schedule = "@every 1h" // only the message meets the full disk, no refresh
	h.broken = &brokenStore{}
	h.refreshed()
	t.Cleanup(func() { close(stuck.release) })
	h.broken.setFull(true)
	h.strike(id)
	<-stuck.begun
	since := time.Now()
	h.await("all loops but the message's handler to make progress", func() bool {
		h.daemon.remediator.WakeRestorers()
		still := h.stalled(since)
		return len(still) == 1 && strings.HasPrefix(still[0], "message ")
	})
}

func TestAHungSinkStopsTheFeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	stuck := h.withStuckSink()
	h.refreshed()
	t.Cleanup(func() { close(stuck.release) })
	h.strike(id)
	<-stuck.begun
	since := time.Now()
	h.await("all loops but the sink's to make progress", func() bool {
		h.daemon.remediator.WakeRestorers()
		return slices.Equal(h.stalled(since), []string{"alert stuck"})
	})
}
