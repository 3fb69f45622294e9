package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// newCompletionCommand writes the script for the shell, which asks this binary what
// to offer.
func newCompletionCommand(a *app) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Write the completion script of a shell", DisableFlagsInUseLine: true,
		Long: `Write the completion script of a shell to stdout: bash, zsh, fish or powershell.

The packages install those of bash, zsh and fish. Commands, flags and their
values are completed; if the state file can be read, also the IDs of flow logs,
incidents and alerts, accounts, Regions and sinks.`,
		Example: `  # bash, in this shell (it needs the package bash-completion)
  source <(flowkeeper completion bash)

  # bash, zsh and fish, for good
  flowkeeper completion bash > /etc/bash_completion.d/flowkeeper
  flowkeeper completion zsh > "${fpath[1]}/_flowkeeper"
  flowkeeper completion fish > ~/.config/fish/completions/flowkeeper.fish`,
		ValidArgs: shells,
		Args:      someArgs(1, 1, "a shell: bash, zsh, fish or powershell"),
		RunE: func(c *cobra.Command, args []string) error {
			write := map[string]func(io.Writer) error{
				"bash":       func(w io.Writer) error { return c.Root().GenBashCompletionV2(w, true) },
				"zsh":        c.Root().GenZshCompletion,
				"fish":       func(w io.Writer) error { return c.Root().GenFishCompletion(w, true) },
				"powershell": c.Root().GenPowerShellCompletionWithDesc,
			}[args[0]]
			if write == nil {
				return usagef("there is no completion for %q: one of %s", args[0], strings.Join(shells, ", "))
			}
			return write(a)
		},
	}
}
