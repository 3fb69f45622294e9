package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"flowkeeper/internal/nearest"
)

// usageError means that the command line is wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument: %q is one too many", c.Name(), args[0])
	}
	return nil
}

// oneArg takes exactly one argument; what says which, and where to find it.
func oneArg(what string) cobra.PositionalArgs { return someArgs(1, 1, what) }

// someArgs takes from least to most arguments; most 0: there is no upper limit.
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

// didYouMean is the end of an error: what was perhaps meant.
func didYouMean(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(words, " or ") + "?"
}

// noSuchCommand is the error about an unknown subcommand. It suggests subcommands that begin with these letters, or
// that have the name in their SuggestFor; if there are none, the nearest names.
func noSuchCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	near := slices.Compact(c.SuggestionsFor(name)) // for "account" it has accounts twice
	if name == "" || len(near) == 0 {
		near = nearest.Words(name, names)
	}
	return usagef("there is no command %q%s", name, didYouMean(near))
}

// flagError replaces pflag's errors by our own. It reports a mistyped command before an
// unknown flag, because only the right command knows its flags.
func flagError(c *cobra.Command, err error) error {
	if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 {
		return noSuchCommand(c, words[0])
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if e.GetSpecifiedShortnames() != "" {
			return usagef("there is no flag -%s: -h is the only short one, long ones begin with --", e.GetSpecifiedName())
		}
		return unknownFlag(c, e.GetSpecifiedName())
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("--%s needs a value: %s", e.GetFlag().Name, flagUsage(e.GetFlag()))
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return invalidValue(e)
	}
	return usagef("%s", err)
}

func invalidValue(e *pflag.InvalidValueError) error {
	f := e.GetFlag()
	why := flagUsage(f)
	if ours, ok := errors.AsType[*usageError](e.Unwrap()); ok {
		why = ours.text
	} else if f.Value.Type() == "bool" {
		why = "it takes no value, or true or false"
	}
	return usagef("--%s %s: %s", f.Name, cmp.Or(e.GetValue(), `""`), why)
}

func flagUsage(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	return text
}

// unknownFlag names the flag, and what was perhaps meant: another flag of this
// command, or this flag of its subcommands.
func unknownFlag(c *cobra.Command, name string) error {
	var names, near []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, name) {
			near = append(near, "--"+f.Name)
		}
		names = append(names, f.Name)
	})
	if word := nearest.Word(name, names); word != "" && len(near) == 0 {
		near = []string{"--" + word}
	}
	for _, sub := range c.Commands() {
		if sub.Flags().Lookup(name) != nil {
			near = append(near, "`"+sub.CommandPath()+" --"+name+"`")
		}
	}
	return usagef("there is no flag --%s%s", name, didYouMean(near))
}
