package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"list", "show", "refresh", "release", "export", "import"}
	for typed, want := range map[string]string{
		"lst": "[list]", "lsit": "[list]", "List": "[list]", "shwo": "[show]", "re": "[refresh release]", "relase": "[release]",
		"exprot": "[export]", "frobnicate": "[]", "x": "[]", "": "[]",
	} {
		if got := fmt.Sprint(nearest(typed, words)); got != want {
			t.Errorf("%q: %s instead of %s", typed, got, want)
		}
	}
}

// TestHelp: every command says what it does and gives an example that it would
// take, on a terminal of 80 columns.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := newRoot(testApp(nil))
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Long == "" && c.Name() != "help" || c.Example == "" {
			t.Errorf("%s: it has no text or no example", c.CommandPath())
		}
		text := c.Long + "\n" + c.UsageString()
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > usualHelp {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		if c != root && len(c.Short) > 75 {
			t.Errorf("%s: %q is long for a list", c.CommandPath(), c.Short)
		}
		examples(t, root, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// examples sees that each line of an example that begins with our name is a
// command with flags that it knows.
func examples(t *testing.T, root, c *cobra.Command) {
	for line := range strings.Lines(c.Example) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "flowkeeper" {
			continue
		}
		of, _, err := root.Find(words[1:])
		if err != nil || of.HasAvailableSubCommands() {
			t.Errorf("%s: no command: %s", c.CommandPath(), line)
			continue
		}
		for _, w := range words {
			if w == "|" || w == ">" || w == "&&" {
				break
			}
			if name, ok := strings.CutPrefix(w, "--"); ok && of.Flags().Lookup(name) == nil && of.InheritedFlags().Lookup(name) == nil {
				t.Errorf("%s: no flag %s: %s", c.CommandPath(), w, line)
			}
		}
	}
}
