package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Help is as wide as the terminal, within these bounds.
const (
	leastHelp = 60
	usualHelp = 80
)

// helpWidth returns the width of help, in characters.
func (a *app) helpWidth() int {
	if !a.terminal || a.columns == 0 {
		return usualHelp
	}
	return max(leastHelp, min(usualHelp, a.columns))
}

// usage prints how a command is used, its examples and its flags.
func (a *app) usage(c *cobra.Command) error {
	width := a.helpWidth()
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
		b.WriteString("\nCommands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				entry(&b, sub.Name(), sub.NamePadding(), sub.Short, width)
			}
		}
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

// entry writes a command's name and what it is for, wrapped.
func entry(b *strings.Builder, name string, padding int, about string, width int) {
	for n, line := range wrap(about, width-padding-3) {
		if n > 0 {
			name = ""
		}
		fmt.Fprintf(b, "  %-*s %s\n", padding, name, line)
	}
}
