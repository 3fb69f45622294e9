package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/fakeaws"
)

// Options of Run.
type Options struct {
	Out     io.Writer
	JSON    bool
	Color   bool
	Columns int // of the terminal; 0: as many as it takes
	Version string
}

// ErrNotRestored says that something is not as it was before the attack.
var ErrNotRestored = errors.New("not everything is as it was before the attack")

const patience = 30 * time.Second // for any one thing to happen

// Run plays the demo. It returns ErrNotRestored, or why it could not be
// played.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "flowkeeper-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &output{Writer: o.Out, fail: cancel}
	o.Out = out
	t := newTimeline(o)
	d := &daemon.Daemon{
		Config: s.config(filepath.Join(dir, "state.db")), AWS: s.aws, Version: o.Version,
		Log: slog.New(slog.DiscardHandler), Sinks: map[string]sink.Sink{"timeline": t},
	}
	ready := make(chan struct{})
	d.Ready = func() { close(ready) }
	var g errgroup.Group
	g.Go(func() error { defer cancel(); return d.Run(ctx) })
	g.Go(func() error {
		defer cancel()
		select {
		case <-ready:
			return play(ctx, s, d, t)
		case <-ctx.Done():
			return nil
		}
	})
	if err := g.Wait(); out.err == nil {
		return err
	}
	return fmt.Errorf("show what happens: %w", out.err)
}

// output ends the demo when it can't be shown any more: its reader has gone, or
// the disk is full.
type output struct {
	io.Writer
	fail func()
	err  error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
		o.fail()
	}
	return n, err
}

// config is what a user would write in YAML, with the waits that AWS's
// slowness asks for made short.
func (s *stage) config(state string) configs.Config {
	c := configs.Default()
	c.Queue.URL, c.Queue.WaitTime = s.queueURL, time.Second
	c.AWS.Region, c.AWS.EndpointURL = region, s.url
	c.Inventory.Schedule, c.Inventory.Settle = "@every 1s", 300*time.Millisecond
	c.Remediate.DriftWait, c.Remediate.VerifyAfter = 500*time.Millisecond, time.Second
	c.State.Path, c.HTTP.Listen = state, ""
	return c
}

// newStage starts the AWS and builds what is to be protected.
func newStage(ctx context.Context) (*stage, error) {
	s := &stage{world: fakeaws.New(time.Now)}
	url, stop, err := s.world.Listen()
	if err != nil {
		return nil, fmt.Errorf("start the AWS in this process: %w", err)
	}
	s.url, s.stop = url, stop
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, stop())
	}
	return s, nil
}
