package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// noArgs refuses arguments.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument: %q is one too many", c.Name(), args[0])
	}
	return nil
}

// oneArg takes exactly one argument; what says which, and where to find it.
func oneArg(what string) cobra.PositionalArgs { return someArgs(1, 1, what) }

// someArgs takes so many arguments at least and at most (0: any number).
func someArgs(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s", c.Name(), what)
		case most > 0 && len(args) > most:
			return usagef("%s takes %s: %q is one too many", c.Name(), what, args[most])
		case slices.Contains(args, ""):
			return usagef("%s needs %s: an empty one was given", c.Name(), what)
		}
		return nil
	}
}
