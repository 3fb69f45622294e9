package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"flowkeeper/test/roff"
)

var update = flag.Bool("update", false, "write packaging/man/*.1")

// TestManPages: packaging/man has a page for each command, with the text of its --help.
// `go test ./cmd/flowkeeper -run ManPages -update` writes the pages.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "packaging", "man")
	want := map[string]string{}
	root := newRoot(&app{})
	for _, c := range append(under(root), root) {
		want[filepath.Join(dir, page(c)+".1")] = manPage(c)
	}
	have, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range have {
		if _, ok := want[file]; ok {
			continue
		}
		if !*update {
			t.Errorf("there is no command for %s", file)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range want {
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if d := cmp.Diff(strings.Split(text, "\n"), strings.Split(string(got), "\n")); d != "" {
			t.Errorf("%s differs from --help; run go test ./cmd/flowkeeper -run ManPages -update\n%s", file, d)
		}
	}
}

// under returns the visible commands below c.
func under(c *cobra.Command) (out []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(append(out, sub), under(sub)...)
		}
	}
	return out
}

func page(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) string {
	p := roff.New(page(c), 1, c.Short, "go test ./cmd/flowkeeper -run ManPages -update, from the commands")
	p.Section("synopsis")
	synopsis(p, c)
	p.Section("description")
	description(p, c)
	options(p, "options", c.NonInheritedFlags())
	options(p, "options of every command", c.InheritedFlags())
	if c.HasExample() {
		p.Section("examples")
		lines := strings.Split(c.Example, "\n")
		for n := range lines {
			lines[n] = strings.TrimPrefix(lines[n], "  ")
		}
		p.Verbatim(lines...)
	}
	if !c.HasParent() {
		surroundings(p)
	}
	p.SeeAlso(neighbours(c)...)
	return p.String()
}

func synopsis(p *roff.Page, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		p.Words("`" + c.CommandPath() + "`" + strings.TrimPrefix(c.UseLine(), c.CommandPath()))
		return
	}
	for _, sub := range under(c) {
		if !sub.HasAvailableSubCommands() {
			p.Term("`"+sub.CommandPath()+"`"+strings.TrimPrefix(sub.UseLine(), sub.CommandPath()), sub.Short+".")
		}
	}
}

// description writes the long text. Indented blocks stay as they are.
func description(p *roff.Page, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(block, " ") {
			p.Verbatim(strings.Split(block, "\n")...)
		} else {
			p.Words(block)
		}
	}
}

func options(p *roff.Page, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.Section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		term := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			term = "`-" + f.Shorthand + "`, " + term
		}
		switch f.DefValue {
		case "", "false", "0", "0s", "[]":
		default:
			usage += " (without it: " + f.DefValue + ")"
		}
		p.Term(strings.TrimSpace(term+" "+name), usage)
	})
}

// surroundings writes what flowkeeper(1) has in addition to the commands: environment, exit status and files.
func surroundings(p *roff.Page) {
	p.Section("environment")
	p.Term("`FLOWKEEPER_QUEUE_URL` and others", "Set a key of the configuration; flowkeeper.yaml(5) lists them.")
	p.Term("`AWS_REGION`, `AWS_PROFILE` and others", "As with every program that uses AWS's SDK.")
	p.Section("exit status")
	p.Term("`0`", "Fine.")
	p.Term("`1`", "Failed; an unknown ID too.")
	p.Term("`2`", "Wrong usage.")
	p.Term("`78`", "Wrong configuration. systemd does not restart the service then.")
	p.Section("files")
	p.Term("`"+defaultConfig+"`", "The configuration.")
	p.Term("`/var/lib/flowkeeper/state.db`", "The snapshot, the incidents and the alerts: an SQLite file.")
}

// neighbours returns the pages of the commands directly above and below c.
func neighbours(c *cobra.Command) (out []string) {
	if c.HasParent() {
		out = append(out, page(c.Parent())+"(1)")
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, page(sub)+"(1)")
		}
	}
	return append(out, "flowkeeper.yaml(5)")
}
