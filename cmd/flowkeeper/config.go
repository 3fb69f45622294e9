package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"flowkeeper/configs"
)

// configError is why there is no configuration to work with.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// needs is what a command can't do without. With either it uses the network, and
// so the proxy.
type needs struct {
	queue   bool // queue.url, and so the file
	secrets bool // those too that systemd hands to the service alone
}

// config reads the configuration. Commands that need no queue run on defaults
// where there is no file at the default place. A file that was named must
// exist. The error is a *configError.
func (a *app) config(n needs) (configs.Config, error) {
	c, _, err := a.configWarned(n)
	return c, err
}

// configWarned also returns the warnings. Only `check` and `run` tell them:
// nobody wants them before every list.
func (a *app) configWarned(n needs) (configs.Config, []configs.Warning, error) {
	file := a.configFile
	if !n.queue && !a.configNamed() {
		file = a.configUsed()
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
	return c, warnings, a.noFolder(c.State.Path)
}

// noFolder refuses a folder as the state file, before SQLite calls it
// something else.
func (a *app) noFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil || !info.IsDir():
		return nil
	case a.stateFile != "":
		return usagef("--state %s: that is a folder: name the file in it, such as %s", path, filepath.Join(path, "state.db"))
	}
	return &configError{fmt.Errorf("state.path: %s is a folder: name the file in it, such as %s", path, filepath.Join(path, "state.db"))}
}

// placeFor sees that a daemon may make the state file: of its folders, one may
// be missing, more are a mistyped path.
func placeFor(path string, log *slog.Logger) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong shows when it is opened
	}
	if _, err := os.Stat(filepath.Dir(dir)); errors.Is(err, fs.ErrNotExist) {
		return &configError{fmt.Errorf("state.path: %s: neither %s nor the folder above is there: make them, or mend the path", path, dir)}
	}
	log.Warn("state.path: its folder was not there and is made now", "folder", dir)
	return nil
}

// configUsed is the configuration file if it is there, else nothing.
func (a *app) configUsed() string {
	if _, err := os.Stat(a.configFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return a.configFile
}

// warn prints what is allowed but may not be what was meant.
func (a *app) warn(warnings []configs.Warning) {
	for _, w := range warnings {
		a.complain("warning: " + w.String())
	}
}
