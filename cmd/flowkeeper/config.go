package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/store"
)

// configError means that the configuration can't be used: exit code 78.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// needs is what a command requires of the configuration. A command that sets either field uses
// the network, and so the proxy settings must be right.
type needs struct {
	queue   bool // queue.url must be set, and the configuration file must exist
	secrets bool // also secrets that systemd gives only to the service
}

// config reads the configuration. A command that needs no queue uses the defaults
// if there is no file at the default place; a file named by --config must exist.
// The error is a *configError, or a *usageError about --config or --state. Only `check`,
// `doctor` and `run` print the warnings, so that no list begins with warnings.
func (a *app) config(n needs) (configs.Config, []configs.Warning, error) {
	file := a.configFile
	if !n.queue && !a.configNamed() {
		file = a.existingConfig()
	}
	if fix := configs.PathFix(a.configFile, a.getenv("HOME")); fix != "" {
		return configs.Config{}, nil, usagef("--config %s: %s", a.configFile, fix)
	}
	if fix := configs.PathFix(a.stateFile, a.getenv("HOME")); fix != "" {
		return configs.Config{}, nil, usagef("--state %s: %s", a.stateFile, fix)
	}
	c, warnings, err := configs.Load(file, configs.Options{Environ: a.environ, NeedQueue: n.queue, LeaveSecrets: !n.secrets, Proxies: n.queue || n.secrets})
	if err != nil {
		return c, warnings, &configError{err}
	}
	if a.stateFile != "" {
		c.State.Path = a.stateFile
	}
	return c, warnings, refuseFolder(a, c.State.Path)
}

// refuseFolder refuses a folder as the state file: SQLite's own error is misleading.
func refuseFolder(a *app, path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil || !info.IsDir():
		return nil
	case a.stateFile != "":
		return usagef("--state %s: that is a folder: name the file in it, such as %s", path, filepath.Join(path, "state.db"))
	}
	return &configError{fmt.Errorf("state.path: %s is a folder: name the file in it, such as %s", path, filepath.Join(path, "state.db"))}
}

// checkStateFolder checks where the daemon will create the state file: its folder may be
// missing, but if the folder above is missing too, the path is mistyped.
func checkStateFolder(path string, log *slog.Logger) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // any other error shows when the file is opened
	}
	if _, err := os.Stat(filepath.Dir(dir)); errors.Is(err, fs.ErrNotExist) {
		return &configError{fmt.Errorf("state.path: %s: neither %s nor the folder above exists: create them, or correct the path", path, dir)}
	}
	log.Warn("state.path: its folder does not exist and is created now", "folder", dir)
	return nil
}

// existingConfig is the configuration file if it exists, else empty.
func (a *app) existingConfig() string {
	if _, err := os.Stat(a.configFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return a.configFile
}

// openState opens the state file that the daemon created; no command creates it.
// For a file that this user may not write, SQLite's own error would be misleading.
func openState(ctx context.Context, c configs.Config) (*store.Store, error) {
	f, err := os.OpenFile(c.State.Path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the state file: %w: run this as the user that runs the daemon, or as root", err)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // about a missing file, store.Open has the better error
		return nil, fmt.Errorf("open the state file: %w", err)
	}
	return store.Open(ctx, c.State.Path, store.Options{Routes: daemon.Routes(c), Names: daemon.Names(c)})
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
