package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/store"
)

// openState opens the state file that the daemon created; no command creates it.
// For a file that this user may not write, SQLite's own error would be misleading.
func openState(ctx context.Context, c configs.Config) (*store.Store, error) {
	f, err := os.OpenFile(c.State.Path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the state file: %w: run this as the user that runs the daemon, or as root", err)
	case err == nil:
		err = f.Close()
	case errors.Is(err, fs.ErrNotExist):
		err = nil // store.Open has the better error
	}
	if err != nil {
		return nil, fmt.Errorf("open the state file: %w", err)
	}
	return store.Open(ctx, c.State.Path, store.Options{Route: daemon.Routes(c).For})
}

// state is what a command on the state file works with: that file, open, and the
// configuration.
type state struct {
	*app
	*store.Store
	conf configs.Config
}

// withState opens the state file, calls fn and closes it.
func (a *app) withState(ctx context.Context, fn func(state) error) error {
	c, _, err := a.config(needs{})
	if err != nil {
		return err
	}
	s, err := openState(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(fn(state{a, s, c}), s.Close())
}

// onState is the code of a command that uses the state file.
func (a *app) onState(fn func(ctx context.Context, s state, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		return a.withState(c.Context(), func(s state) error { return fn(c.Context(), s, args) })
	}
}
