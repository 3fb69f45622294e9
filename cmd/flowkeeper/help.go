package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/internal/term"
)

// Help is as wide as the terminal, within these bounds.
const (
	leastHelp = 60
	usualHelp = 80
)

// usage prints how a command is used, its examples and its flags.
func (a *app) usage(c *cobra.Command) error {
	width := usualHelp
	if a.Terminal && a.Columns > 0 {
		width = max(leastHelp, min(usualHelp, a.Columns))
	}
	var b strings.Builder
	b.WriteString("Usage:\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(&b, "  %s\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(c.Example, "\n"))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nCommands:\n%s", commandList(c, width))
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s\n", strings.TrimRight(c.LocalFlags().FlagUsagesWrapped(width), "\n "))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nFlags of every command:\n%s\n", strings.TrimRight(c.InheritedFlags().FlagUsagesWrapped(width), "\n "))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help prints the help of a command.\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

// commandList names the subcommands of a group and what each is for, wrapped.
func commandList(group *cobra.Command, width int) string {
	var b strings.Builder
	for _, c := range group.Commands() {
		begin := fmt.Sprintf("  %-*s ", c.NamePadding(), c.Name())
		b.WriteString(begin + strings.Join(term.Wrap(c.Short, width-len(begin)), "\n"+strings.Repeat(" ", len(begin))) + "\n")
	}
	return b.String()
}
