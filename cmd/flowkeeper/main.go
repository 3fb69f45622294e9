// Command flowkeeper keeps VPC flow logs alive: it hears of their deletion,
// tells people, and puts them back. `flowkeeper --help` lists what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
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
		terminal: isTerminal(os.Stdout), stderrTerminal: isTerminal(os.Stderr),
		now: time.Now,
	}
	os.Exit(a.execute(ctx, os.Args[1:]))
}

// isTerminal reports whether people see what is written to f. Any device
// counts: nobody minds colours in /dev/null.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
