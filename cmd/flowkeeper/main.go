package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

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
