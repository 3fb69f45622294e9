package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestSuggestions: the error about an unknown command or flag names those that the person may have meant.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"inventory lst":            `there is no command "lst": did you mean list?`,
		"inventory lsit":           `there is no command "lsit": did you mean list?`,
		"inventory List":           `there is no command "List": did you mean list?`,
		"inventory re":             `there is no command "re": did you mean refresh or release?`,
		"inventory exprot":         `there is no command "exprot": did you mean export?`,
		"inventory frobnicate":     "there is no command \"frobnicate\"\n",
		"inventory ixport":         "there is no command \"ixport\": did you mean export or import?\n",
		"inventory SNAPSHOT":       "there is no command \"SNAPSHOT\"\n",
		"SNAPSHOT":                 `there is no command "SNAPSHOT": did you mean inventory?`,
		"test":                     `there is no command "test": did you mean alerts or check?`,
		"relpay":                   "there is no command \"relpay\": did you mean replay?\n",
		"inventory x":              "there is no command \"x\"\n",
		"inventory list --jsno":    "there is no flag --jsno: did you mean --json?",
		"inventory list --lim 3":   "there is no flag --lim: did you mean --limit?",
		"inventory list --x":       "there is no flag --x\n",
		"inventory list -j":        "there is no flag -j: -h is the only short one, long ones begin with --\n",
		"restore fl-1 --dry":       "there is no flag --dry: did you mean --dry-run?",
		"inventory --json lst":     "there is no flag --json: did you mean `flowkeeper inventory approve --json` or `flowkeeper inventory import --json` or ",
		"inventory lst --json":     `there is no command "lst": did you mean list?`,
		"--state x.db inventroy":   `there is no command "inventroy": did you mean inventory?`,
		"--statee x.db inventory":  "there is no flag --statee: did you mean --state?",
		"incidents -v":             "there is no flag -v: ",
		"-v":                       "there is no flag -v: ",
		"incidnets":                `there is no command "incidnets": did you mean incidents?`,
		"incidnets -v --since 2h":  `there is no command "incidnets": did you mean incidents?`,
		"incidents --since 2h":     "there is no flag --since: did you mean `flowkeeper incidents list --since`?",
		"incidents --since=2h lst": "there is no flag --since: did you mean `flowkeeper incidents list --since`?",
	} {
		t.Run(typed, func(t *testing.T) {
			t.Parallel()
			if code, out := flowkeeper(t, strings.Fields(typed)...); code != exitUsage || !strings.HasPrefix(out, "flowkeeper: "+want) {
				t.Errorf("%d: %s", code, out)
			}
		})
	}
}

// TestHelp: every command has a description and a valid example. Its help is at most usualHelp columns wide.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := newRoot(testApp(nil))
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Long == "" && c.Name() != "help" || c.Example == "" {
			t.Errorf("%s has no long text or no example", c.CommandPath())
		}
		text := c.Long + "\n" + c.UsageString()
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > usualHelp {
				t.Errorf("%s: a line is %d columns wide, want at most %d: %s", c.CommandPath(), n, usualHelp, line)
			}
		}
		if c != root && len(c.Short) > 75 {
			t.Errorf("%s: %q is too long for a list of commands", c.CommandPath(), c.Short)
		}
		examples(t, root, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// examples checks the lines of an example that begin with flowkeeper: each must name an existing command, with flags
// that this command has.
func examples(t *testing.T, root, c *cobra.Command) {
	for line := range strings.Lines(c.Example) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "flowkeeper" {
			continue
		}
		of, _, err := root.Find(words[1:])
		if err != nil || of.HasAvailableSubCommands() {
			t.Errorf("the example of %s names no command: %s", c.CommandPath(), line)
			continue
		}
		for _, w := range words {
			if w == "|" || w == ">" || w == "&&" {
				break
			}
			if name, ok := strings.CutPrefix(w, "--"); ok && of.Flags().Lookup(name) == nil && of.InheritedFlags().Lookup(name) == nil {
				t.Errorf("the example of %s has the unknown flag %s: %s", c.CommandPath(), w, line)
			}
		}
	}
}
