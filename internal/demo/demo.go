package demo

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"flowkeeper/alert/sink"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/term"
)

// ErrNotRestored says that something is not as it was before the attack.
var ErrNotRestored = errors.New("not everything is as it was before the attack")

// Run plays the demo and writes what happens to out. It returns ErrNotRestored, or why
// the demo could not be played or shown.
func Run(ctx context.Context, out *term.Output, version string) (err error) {
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
	t := newTimeline(out, cancel)
	d := &daemon.Daemon{
		Config: s.config(filepath.Join(dir, "state.db")), AWS: s.aws, Version: version,
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
	if err := g.Wait(); t.err == nil {
		return err
	}
	return t.err
}
