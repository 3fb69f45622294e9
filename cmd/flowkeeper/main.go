package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"flowkeeper/internal/term"
)

// version is set when a release is built: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks every command to finish its current step. After it the
	// signals have their usual effect again, so that a second one ends the process.
	context.AfterFunc(ctx, stop)
	a := &app{Output: term.Output{Stdout: os.Stdout, Stderr: os.Stderr}, stdin: os.Stdin, environ: os.Environ(), now: time.Now}
	a.Columns, a.Terminal = columns(os.Stdout)
	_, a.StderrTerminal = columns(os.Stderr)
	a.Color = term.Colors(a.Terminal, os.Getenv)
	os.Exit(a.execute(ctx, os.Args[1:]))
}

// columns returns the width of the terminal f, 0 if it is not known, and whether f
// is a terminal.
func columns(f *os.File) (int, bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}

// errPrinted ends a command with exit code 1 after it has printed what failed.
var errPrinted = errors.New("failed")

// The exit codes, part of the contract. 78 is EX_CONFIG of sysexits(3): the systemd
// unit does not restart the service after it.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78
)

// execute runs one command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		unmarkUsages(root)
	}
	c, err := root.ExecuteContextC(ctx)
	flushErr := a.Flush()
	code := a.explain(ctx, c, err)
	if flushErr != nil && code == exitFine {
		a.complain(flushErr.Error())
		code = exitFailed
	}
	return code
}

// explain prints why a command failed, if it did, and returns the exit code.
func (a *app) explain(ctx context.Context, c *cobra.Command, err error) int {
	var usage *usageError
	var config *configError
	switch {
	case err == nil:
		return exitFine
	case !a.started || errors.As(err, &usage):
		text, more, _ := strings.Cut(err.Error(), "\n")
		a.complain(text)
		for line := range strings.Lines(more) {
			a.Note("%s", term.Clean(strings.TrimRight(line, "\n")))
		}
		a.Note("see %s --help", c.CommandPath())
		return exitUsage
	case errors.As(err, &config):
		a.complain(config.Error())
		return exitConfig
	case errors.Is(err, errPrinted):
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.complain("interrupted")
	default:
		a.complain(err.Error())
	}
	return exitFailed
}

// complain prints an error or a warning, each line with the program's name. The text may
// quote text from outside, and is cleaned (I12).
func (a *app) complain(text string) {
	for line := range strings.Lines(text) {
		a.Note("flowkeeper: %s", term.Clean(strings.TrimRight(line, "\n")))
	}
}
