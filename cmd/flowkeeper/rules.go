package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/term"
)

func newRulesCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use: "rules", Short: "What is detected, and the same as Sigma rules for a SIEM",
		Long: `What Flowkeeper detects in CloudTrail's records. The same rules are here as
Sigma files, so that a SIEM alerts on the same with the same names and levels.`,
		Example: `  flowkeeper rules list
  flowkeeper rules export sigma/`,
		SuggestFor: []string{"sigma", "detections"},
	}, newRulesListCommand(a), newRulesExportCommand(a))
}

func newRulesListCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object a line: a rule with its description, tags, references and false positives", &cobra.Command{
		Use: "list", Short: "List the detections: title, level, and the calls that each detects", Args: noArgs,
		Long: `List the detections: title, level, and the calls that each detects. It needs
neither a configuration nor a state file.`,
		Example: `  flowkeeper rules list
  flowkeeper rules list --json | jq -r '[.level, .title] | @tsv'`,
		Run: func(*cobra.Command, []string) { listRules(a) },
	})
}

func listRules(a *app) {
	t := a.Table(term.CutTo(40, "TITLE"), term.Whole("LEVEL"), term.Whole("SOURCE").OrDrop(1), term.CutTo(20, "EVENTS"))
	for _, r := range detection.Rules() {
		t.Add(r, r.Title, levelCell(r.Level), r.EventSource, strings.Join(r.EventNames, ", "))
	}
	t.Flush()
}

func newRulesExportCommand(a *app) *cobra.Command {
	var force bool
	c := a.withJSON("one JSON object: how many were written, and how many were the same already", &cobra.Command{
		Use: "export DIR", Short: "Write the Sigma rules into DIR, a file each", Args: oneArg("a directory to write the rules into"),
		Long: `Write the Sigma rules into DIR, a file each; create DIR if it does not exist. If
DIR has a file with the same name and other content, nothing is written, except
with --force. To get the query of your SIEM, use sigma-cli:
` + "`sigma convert`" + ` reads DIR.`,
		Example: `  flowkeeper rules export sigma/
  sigma convert -t splunk --without-pipeline sigma/`,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE:              func(_ *cobra.Command, args []string) error { return exportRules(a, args[0], force) },
	})
	c.Flags().BoolVar(&force, "force", false, "overwrite files that differ")
	return c
}

func exportRules(a *app, dir string, force bool) error {
	todo, err := rulesToWrite(dir, force)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	for name, text := range todo {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write a rule: %w", err)
		}
	}
	out := struct {
		Written   int `json:"written"`
		Unchanged int `json:"unchanged"`
	}{len(todo), len(detection.Rules()) - len(todo)}
	text := alert.Plural(out.Written, "rule") + " written to " + term.Clean(dir)
	if out.Unchanged > 0 {
		text += fmt.Sprintf(", %d there already", out.Unchanged)
	}
	a.Result(out, "%s", text)
	return nil
}

// rulesToWrite returns the files that dir lacks or has with other content. Without force,
// files with other content are an error, which names them all.
func rulesToWrite(dir string, force bool) (map[string][]byte, error) {
	todo := map[string][]byte{}
	var differ []string
	for _, r := range detection.Rules() {
		want, err := detection.Sigma(r.File)
		if err != nil {
			return nil, err
		}
		got, err := os.ReadFile(filepath.Join(dir, r.File))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("compare with what is there: %w", err)
		case bytes.Equal(got, want):
			continue
		default:
			differ = append(differ, r.File)
		}
		todo[r.File] = want
	}
	if len(differ) > 0 && !force {
		return nil, fmt.Errorf("%s: other content is in %s, so nothing was written; --force overwrites", strings.Join(differ, ", "), dir)
	}
	return todo, nil
}
