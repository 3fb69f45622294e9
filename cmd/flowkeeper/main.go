// Command flowkeeper keeps VPC flow logs alive: it hears of their deletion,
// tells people, and puts them back. `flowkeeper --help` lists what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// version is set when a release is built: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks every command to finish what is in hand; after it
	// the signals have their usual effect again, so that a second ends it at once.
	context.AfterFunc(ctx, stop)
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		terminal: isTerminal(os.Stdout), stderrTerminal: isTerminal(os.Stderr), columns: columns(os.Stdout),
		now: time.Now,
	}
	os.Exit(a.execute(ctx, os.Args[1:]))
}

// isTerminal reports whether people see what is written to f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// columns is how wide the terminal is; 0 where f is none, or does not say.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
