package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build says what this binary was built from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Long: `Print the version, the commit that it was built from, the version of Go, and the
platform.`,
		Example: `  flowkeeper version
  flowkeeper version --json | jq -r .version`,
		RunE: func(*cobra.Command, []string) error { return a.version() },
	}
	a.jsonFlag(c, "one JSON object")
	return c
}

func (a *app) version() error {
	b := thisBuild()
	text := "flowkeeper " + b.Version
	if b.Commit != "" {
		text += " (commit " + b.Commit + ")"
	}
	return a.result(b, "%s, %s, %s", text, b.Go, b.Platform)
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	changed := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = ", changed since"
			}
		}
	}
	if b.Commit != "" {
		b.Commit += changed
	}
	return b
}
