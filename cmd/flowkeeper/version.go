package main

import (
	"fmt"
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
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Long: `Print the version, the commit that it was built from, the version of Go, and the
platform.`,
		Example: `  flowkeeper version
  flowkeeper version --json | jq -r .version`,
		Run: func(*cobra.Command, []string) { printVersion(a) },
	})
}

func printVersion(a *app) {
	settings := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
	}
	b := build{Version: version, Commit: fmt.Sprintf("%.12s", settings["vcs.revision"]), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	text := "flowkeeper " + b.Version
	if b.Commit != "" {
		if settings["vcs.modified"] == "true" {
			b.Commit += ", changed since"
		}
		text += " (commit " + b.Commit + ")"
	}
	a.Result(b, "%s, %s, %s", text, b.Go, b.Platform)
}
