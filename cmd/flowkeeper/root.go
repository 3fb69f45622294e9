package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is what every command works with: the process's own streams and
// surroundings, and the flags that all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string // KEY=value
	terminal       bool     // people see stdout
	stderrTerminal bool     // people see stderr
	now            func() time.Time

	configFile  string      // --config
	configNamed func() bool // --config was given, so the file must exist
	stateFile   string      // --state; empty: state.path
	ran         bool        // arguments were fine: a command's own code has begun
}

const defaultConfig = "/etc/flowkeeper/flowkeeper.yaml"

// newRoot builds the command tree.
func newRoot(a *app) *cobra.Command {
	root := newGroup("flowkeeper", "Keep VPC flow logs alive: hear of a deletion, alert, and put the flow log back",
		newRunCommand(a),
		newCheckCommand(a),
		newInventoryCommand(a),
		newIncidentsCommand(a),
		newAlertsCommand(a),
		newRestoreCommand(a),
		newReplayCommand(a),
		newRulesCommand(a),
		newDemoCommand(a),
		newVersionCommand(a),
	)
	root.Long = root.Short + ".\n\nExit codes: 0 fine, 1 failed, 2 wrong usage, 78 wrong configuration."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", defaultConfig, "the configuration `file`")
	flags.StringVar(&a.stateFile, "state", "", "the state `file`, instead of state.path")
	a.configNamed = func() bool { return flags.Changed("config") }
	a.mark(root)
	return root
}

// mark makes each command note that it has begun: an error before that is
// one of usage, whichever part of cobra finds it.
func (a *app) mark(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.ran = true
			return run(c, args)
		}
	}
	for _, sub := range c.Commands() {
		a.mark(sub)
	}
}

// newGroup makes a command that only has others beneath it.
func newGroup(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2,
		// A wrong name is told as such, even with flags that only the right one knows.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE:               nameOne,
	}
	c.AddCommand(subs...)
	return c
}

// nameOne runs where a command is missing or has a wrong name.
func nameOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		return usagef("say what to do: %s", strings.Join(names, ", "))
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if names := c.SuggestionsFor(args[0]); len(names) > 0 {
		slices.Sort(names)
		text += ": did you mean " + strings.Join(names, " or ") + "?"
	}
	return usagef("%s", text)
}

// usageError is a command typed wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errTold ends a command with 1 when what failed has been printed already.
var errTold = errors.New("failed")

// The exit codes, part of the contract. 78 is sysexits' EX_CONFIG: systemd is
// told not to restart on it.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78
)

// execute runs one command line and returns the exit code. It is the one
// place that prints errors.
func (a *app) execute(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	var usage *usageError
	var config *configError
	switch {
	case err == nil:
		return exitFine
	case !a.ran || errors.As(err, &usage):
		a.complain(err.Error())
		fmt.Fprintf(a.stderr, "see %s --help\n", c.CommandPath())
		return exitUsage
	case errors.As(err, &config):
		a.complain(config.Error())
		return exitConfig
	case errors.Is(err, errTold):
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.complain("interrupted")
	default:
		a.complain(err.Error())
	}
	return exitFailed
}

// complain prints one error. Its text may quote what others wrote (I12).
func (a *app) complain(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.stderr, "flowkeeper: "+clean(strings.TrimRight(line, "\n")))
	}
}
