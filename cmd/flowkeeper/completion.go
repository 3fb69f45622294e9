package main

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// newCompletionCommand writes the completion script of a shell. The script calls this
// binary to get what to offer.
func newCompletionCommand(a *app) *cobra.Command {
	var shells []string
	for _, s := range completions {
		shells = append(shells, s.shell)
	}
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
			i := slices.Index(shells, args[0])
			if i < 0 {
				return usagef("there is no completion for %q: one of %s", args[0], strings.Join(shells, ", "))
			}
			return completions[i].write(c.Root(), a)
		},
	}
}

// unmarkUsages takes the backquotes out of the texts of all flags: help finds the name of a value between
// them, but the shell would show them.
func unmarkUsages(c *cobra.Command) {
	unmark := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	c.Flags().VisitAll(unmark)
	c.PersistentFlags().VisitAll(unmark)
	for _, sub := range c.Commands() {
		unmarkUsages(sub)
	}
}

// completions are cobra's scripts. In each of them, old is replaced by new.
var completions = []completion{
	// Cobra's script escapes each offer, also a comma in it, so that nothing would complete after a comma. Plain words
	// (plainWord) need no escape.
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }, `"%q`, `"%s`},
	// Cobra's scripts for zsh and fish take all up to the last = for the name of a flag. So nothing would complete after
	// a = in a value, or the flag would be written twice.
	{"zsh", (*cobra.Command).GenZshCompletion, `=~ '-.*=' ]]`, `=~ '^--?[A-Za-z-]+=' ]]`},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		`(string match -r -- '-.*=' "$lastArg")`, `(string match -r -- '^--?[A-Za-z-]+=' "$lastArg")`},
	{"powershell", (*cobra.Command).GenPowerShellCompletionWithDesc, "", ""},
}

type completion struct {
	shell    string
	generate func(root *cobra.Command, w io.Writer) error
	old, new string
}

func (x completion) write(root *cobra.Command, w io.Writer) error {
	var script strings.Builder
	if err := x.generate(root, &script); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.ReplaceAll(script.String(), x.old, x.new))
	return err
}

// maxCompletions is how many a shell can reasonably show.
const maxCompletions = 200

// plainWord is a word that no shell expands. No other words are offered, because an attacker can choose some of
// them: the destination of a flow log, for example. Bash puts the beginning that all offers share on the
// command line as it is, and evaluates it when it completes again.
var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// shellActive matches what a shell expands, or what ends a command (see plainWord). It is taken out of
// descriptions, because a shell puts them on the command line too if two offers are the same word.
var shellActive = regexp.MustCompile("[$`\\\\\"!;&|<>(){}\\[\\]*?~#]+")

// lookup finds words in the state file or the configuration: the words that a shell may offer to complete
// word, or the words that the value of a flag stands for.
type lookup func(ctx context.Context, s state, word string) ([]string, error)

// completeFromState offers what fn finds, each word once, and nothing if the state file can't be read.
// The shell leaves out the words that don't begin with prefix.
func (a *app) completeFromState(fn lookup) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		var out []string
		offered := map[string]bool{}
		_ = a.withState(c.Context(), func(s state) error {
			words, err := fn(c.Context(), s, prefix)
			for _, w := range words {
				word, about, described := strings.Cut(w, "\t")
				if !plainWord.MatchString(word) || offered[word] {
					continue
				}
				offered[word] = true
				if w = word; described {
					w += "\t" + strings.TrimSpace(shellActive.ReplaceAllString(term.Clean(about), " "))
				}
				out = append(out, w)
			}
			return err
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// firstArg offers completions for the first argument only.
func firstArg(fn cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return fn(c, args, prefix)
	}
}

// severalOf completes the last of several words with commas between them. It does not offer the words
// that stand before it.
func severalOf(fn cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		n := strings.LastIndex(prefix, ",") + 1
		words, directive := fn(c, args, prefix[n:])
		var out []string
		for _, w := range words {
			if word, _, _ := strings.Cut(w, "\t"); !slices.Contains(strings.Split(prefix[:n], ","), word) {
				out = append(out, prefix[:n]+w)
			}
		}
		return out, directive
	}
}

// orResources finds what offer finds. It finds resources if something is typed and offer finds nothing for it.
func orResources(offer lookup, resources store.Words) lookup {
	return func(ctx context.Context, s state, prefix string) ([]string, error) {
		words, err := offer(ctx, s, prefix)
		if err != nil || prefix == "" || len(words) > 0 {
			return words, err
		}
		return s.Words(ctx, resources, prefix, maxCompletions)
	}
}

// offerFlowLogs finds the snapshot's IDs, each with its resource.
func offerFlowLogs(states ...string) lookup {
	return func(ctx context.Context, s state, prefix string) (out []string, err error) {
		err = s.FindFlowLogs(ctx, store.Filter{States: states, Begins: prefix, Limit: maxCompletions}, func(r inventory.Row, _ store.Fate) error {
			out = append(out, cobra.CompletionWithDesc(r.ID, r.ResourceID+" "+string(r.State)))
			return nil
		})
		return out, err
	}
}

// offerIncidents finds the IDs of flow logs that have an incident.
func offerIncidents(ctx context.Context, s state, prefix string) (out []string, err error) {
	err = s.FindIncidents(ctx, store.Filter{Begins: prefix, Limit: maxCompletions}, func(i incident.Incident) error {
		out = append(out, cobra.CompletionWithDesc(i.FlowLogID, i.ResourceID+" "+string(i.State)))
		return nil
	})
	return out, err
}

// offerAlerts finds the IDs of alerts; failed: only of those that a sink has
// refused.
func offerAlerts(failed bool) lookup {
	return func(ctx context.Context, s state, prefix string) (out []string, err error) {
		err = s.FindAlerts(ctx, store.Filter{Failed: failed, Begins: prefix, Limit: maxCompletions}, func(x alert.Alert, _ []sink.Delivery) error {
			out = append(out, cobra.CompletionWithDesc(x.ID, x.Title))
			return nil
		})
		return out, err
	}
}

// completeSinksToTest needs no state file, because `alerts test` needs none.
func (a *app) completeSinksToTest(*cobra.Command, []string, string) (out []string, _ cobra.ShellCompDirective) {
	if conf, _, err := a.config(needs{}); err == nil {
		out = append(out, "log")
		for _, s := range conf.Alerts {
			out = append(out, cobra.CompletionWithDesc(s.Name, s.Type))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// wordsOf returns a lookup of the state file's words of one kind that begin with word.
func wordsOf(w store.Words) lookup {
	return func(ctx context.Context, s state, prefix string) ([]string, error) {
		return s.Words(ctx, w, prefix, maxCompletions)
	}
}

// completeFiles offers all files.
var completeFiles = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)

// completeFlag sets how the value of a flag is completed. The flag must exist.
func completeFlag(c *cobra.Command, name string, fn cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, fn); err != nil {
		panic("complete a flag that does not exist: " + err.Error())
	}
}
