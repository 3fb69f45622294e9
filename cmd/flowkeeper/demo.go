package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"flowkeeper/internal/demo"
)

func newDemoCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object a line", &cobra.Command{
		Use: "demo", Short: "Show detection, alert and restore, without AWS", Args: noArgs,
		Long: `Start an AWS inside this process, protect flow logs with the real daemon, delete
them as an attacker would, and show what happens: five scenes, some seconds.

It needs no account, no configuration and no network, and leaves nothing behind.
The exit code is 1 if any flow log is not as it was before.`,
		Example: `  flowkeeper demo
  flowkeeper demo --json | jq -c 'select(.result)'`,
		SuggestFor: []string{"try", "example", "play"},
		RunE:       func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), a) },
	})
}

func runDemo(ctx context.Context, a *app) error {
	signal.Ignore(syscall.SIGPIPE) // `flowkeeper demo | head` cleans up too
	err := demo.Run(ctx, &a.Output, version)
	if errors.Is(err, syscall.EPIPE) {
		return errPrinted // the reader of the pipe has ended: nobody would read an error
	}
	if ctx.Err() != nil && !errors.Is(err, demo.ErrNotRestored) {
		return errors.New("interrupted")
	}
	return err
}
