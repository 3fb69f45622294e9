package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/internal/term"
)

// app is what every command works with: the process's streams and environment, and
// the flags that commands share.
type app struct {
	term.Output // its JSON is --json
	stdin       io.Reader
	environ     []string // KEY=value
	now         func() time.Time

	configFile  string      // --config
	configNamed func() bool // --config was given, so the file must exist
	stateFile   string      // --state; empty: state.path
	started     bool        // the arguments are valid, and the command's own code has begun
}

const defaultConfig = "/etc/flowkeeper/flowkeeper.yaml"

func newRoot(a *app) *cobra.Command {
	root := newGroup(&cobra.Command{
		Use: "flowkeeper", Short: "Keep VPC flow logs alive: detect a deletion, alert, and restore the flow log",
		Long: `Flowkeeper keeps VPC flow logs alive: it detects a deletion in CloudTrail's
events, sends an alert that says who did it, and recreates the flow log with the
same settings.

` + "`flowkeeper run`" + ` is the daemon; the other commands use the same state file
while it runs. Results go to stdout, everything else to stderr; with --json each
result is one JSON object on a line, with times in RFC 3339.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 78 wrong configuration.`,
		Example: `  # See it work, without AWS
  flowkeeper demo

  # What happened in the last two days, and to which flow logs
  flowkeeper incidents list --since 2d

  # Is the configuration fine, and what does it mean?
  flowkeeper check --config flowkeeper.yaml`,
		SilenceErrors: true, SilenceUsage: true,
	},
		newRunCommand(a),
		newCheckCommand(a),
		newDoctorCommand(a),
		newAccountsCommand(a),
		newInventoryCommand(a),
		newIncidentsCommand(a),
		newAlertsCommand(a),
		newRestoreCommand(a),
		newReplayCommand(a),
		newRulesCommand(a),
		newDemoCommand(a),
		newCompletionCommand(a),
		newVersionCommand(a),
	)
	root.SetIn(a.stdin)
	root.SetOut(a)
	root.SetErr(a.Stderr)
	root.SetUsageFunc(a.usage)
	root.SetFlagErrorFunc(flagError)
	initHelpCommand(root)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	var showVersion bool
	root.Flags().BoolVar(&showVersion, "version", false, "print the version, as the command does")
	run := root.RunE
	root.RunE = func(c *cobra.Command, args []string) error {
		if showVersion && len(args) == 0 {
			printVersion(a)
			return nil
		}
		return run(c, args)
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", defaultConfig, "the configuration `file`")
	flags.StringVar(&a.stateFile, "state", "", "the state `file`, instead of state.path")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = root.MarkPersistentFlagFilename("state")
	a.configNamed = func() bool { return flags.Changed("config") }
	root.PersistentPreRun = func(*cobra.Command, []string) { a.started = true }
	return root
}

// newGroup makes c a command that only has subcommands. To call it without a subcommand, or with an unknown one, is a usage error.
func newGroup(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.Args, c.DisableFlagsInUseLine = cobra.ArbitraryArgs, true
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noSuchCommand(c, args[0])
		}
		return usagef("name a command:\n%s", commandList(c, usualHelp))
	}
	c.AddCommand(subs...)
	return c
}

// initHelpCommand makes cobra's help command print what --help prints.
func initHelpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // InitDefaultHelpCmd has added it
	help.Use, help.Short, help.Long, help.DisableFlagsInUseLine = "help [COMMAND]", "Print the help of a command", "", true
	help.Example = "  flowkeeper help inventory release"
	help.RunE = func(c *cobra.Command, args []string) error {
		command, rest, err := c.Root().Find(args)
		if err != nil || len(rest) > 0 && command.HasSubCommands() {
			return noSuchCommand(command, rest[0])
		}
		command.InitDefaultHelpFlag()
		return command.Help()
	}
}

// withJSON adds --json to a command. what is the flag's help: what the command prints with --json.
func (a *app) withJSON(what string, c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.JSON, "json", false, what)
	return c
}

func (a *app) getenv(name string) string {
	for _, kv := range a.environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

func (a *app) ago(t time.Time) string  { return term.Ago(t, a.now()) }
func (a *app) when(t time.Time) string { return term.When(t, a.now()) }

// openStdin returns a reader of stdin that fails once ctx ends, even while a read of stdin
// blocks: a command that waits for typed input ends at the first Ctrl-C.
func (a *app) openStdin(ctx context.Context) (io.ReadCloser, error) {
	pr, pw := io.Pipe()
	context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(pw, a.stdin)
		pw.CloseWithError(err)
	}()
	return pr, nil
}
