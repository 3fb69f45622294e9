package main

import (
	"errors"
	"io/fs"
	"os"

	"flowkeeper/configs"
)

// configError is why there is no configuration to work with.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// config reads the configuration. A command that needs the queue needs the
// file too; the others run on defaults where there is no file at the default
// place. A file that was named must exist. The error is a *configError.
func (a *app) config(needQueue bool) (configs.Config, error) {
	c, _, err := a.configWarned(needQueue)
	return c, err
}

// configWarned also returns the warnings. Only `check` and `run` tell them:
// nobody wants them before every list.
func (a *app) configWarned(needQueue bool) (configs.Config, []configs.Warning, error) {
	file := a.configFile
	if !needQueue && !a.configNamed() {
		file = a.configUsed()
	}
	c, warnings, err := configs.Load(file, configs.Options{Environ: a.environ, NeedQueue: needQueue})
	if err != nil {
		return c, warnings, &configError{err}
	}
	if a.stateFile != "" {
		c.State.Path = a.stateFile
	}
	return c, warnings, nil
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
