package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearest are the words that a mistyped one may have meant: those a letter or
// two away, and those that it begins.
func nearest(typed string, words []string) (out []string) {
	typed = strings.ToLower(typed)
	best := max(1, min(2, len(typed)/3))
	for _, w := range words {
		d := distance(typed, w)
		if len(typed) > 1 && strings.HasPrefix(w, typed) {
			d = min(d, 1)
		}
		if d < best {
			best, out = d, nil
		}
		if d == best {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// distance is how many letters are wrong, missing, too many or swapped with
// their neighbour.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		now, up, twoUp := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		now[0] = i
		for j := 1; j <= len(y); j++ {
			wrong := 1
			if x[i-1] == y[j-1] {
				wrong = 0
			}
			now[j] = min(up[j]+1, now[j-1]+1, up[j-1]+wrong)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], twoUp[j-2]+1)
			}
		}
	}
	return rows[len(x)%3][len(y)]
}

// didYouMean ends a sentence with what was perhaps meant.
func didYouMean(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(words, " or ") + "?"
}

// flagError says what is wrong with a flag in our own words.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return unknownLetter(unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return unknownFlag(c, unknown.GetSpecifiedName())
	case errors.As(err, &valueless):
		return usagef("--%s needs a value: %s", valueless.GetFlag().Name, unquoted(valueless.GetFlag()))
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return invalidValue(invalid)
	}
	return usagef("%s", err)
}

func invalidValue(e *pflag.InvalidValueError) error {
	f, why := e.GetFlag(), ""
	var ours *usageError
	switch {
	case errors.As(e.Unwrap(), &ours):
		why = ours.text
	case f.Value.Type() == "bool":
		why = "it takes no value"
	default:
		why = unquoted(f)
	}
	return usagef("--%s %s: %s", f.Name, e.GetValue(), why)
}

func unquoted(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	return text
}

// unknownFlag names the flag, and what was perhaps meant: one of this command,
// or the same word as a command.
func unknownFlag(c *cobra.Command, name string) error {
	var names []string
	known := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	c.InheritedFlags().VisitAll(known)
	c.LocalFlags().VisitAll(known)
	near := nearest(name, names)
	for n := range near {
		near[n] = "--" + near[n]
	}
	for _, sub := range c.Commands() {
		if sub.Flags().Lookup(name) != nil {
			near = append(near, "`"+sub.CommandPath()+" --"+name+"`")
		}
	}
	return usagef("there is no flag --%s%s", name, didYouMean(near))
}

func unknownLetter(name string) error {
	return usagef("there is no flag -%s: -h is the only short one, long ones begin with --", name)
}

// misled tells of the first flag, before any other word, that a group does not
// know. What stands behind it may be its value, or the command: nobody knows.
func misled(c *cobra.Command, args []string) error {
	path := strings.Fields(c.CommandPath())[1:]
	for n := 0; n < len(args); n++ {
		word := args[n]
		switch {
		case word == "--":
			return nil
		case len(path) > 0 && word == path[0]:
			path = path[1:]
		case !strings.HasPrefix(word, "-"):
			return nil
		case !strings.HasPrefix(word, "--"):
			return unknownLetter(word[1:])
		default:
			name, _, whole := strings.Cut(word[2:], "=")
			f := c.Flags().Lookup(name)
			if f == nil {
				f = c.InheritedFlags().Lookup(name)
			}
			if f == nil {
				return unknownFlag(c, name)
			}
			if !whole && f.NoOptDefVal == "" {
				n++ // its value
			}
		}
	}
	return nil
}

// The arguments that a command takes, told in words when they are wrong.

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument: %q is one too many", c.Name(), args[0])
	}
	return nil
}

// oneArg takes exactly one: what, and where to find it.
func oneArg(what string) cobra.PositionalArgs { return someArgs(1, 1, what) }

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
