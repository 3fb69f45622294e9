package main

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"flowkeeper/inventory"
)

// choice is a flag whose values are names in the state file or in the configuration.
// Other names are refused: an empty list would look like good news.
type choice struct {
	flag   string
	values *[]string      // a field of the filter
	form   *regexp.Regexp // of each value; nil: any
	fix    string         // what to write if one has another form
	known  func(context.Context, state) ([]string, error)
}

// The forms of what lists are filtered by: AWS may have more Regions than we know.
var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	regionID  = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
)

// checkForm refuses names of another form.
func (n choice) checkForm() error {
	for _, v := range *n.values {
		if n.form != nil && !n.form.MatchString(v) {
			return usagef("--%s %s: %s", n.flag, cmp.Or(v, `""`), n.fix)
		}
	}
	return nil
}

// checkKnown refuses unknown names.
func (n choice) checkKnown(ctx context.Context, s state) error {
	if len(*n.values) == 0 {
		return nil
	}
	known, err := n.known(ctx, s)
	if err != nil {
		return err
	}
	for _, v := range *n.values {
		switch {
		case slices.Contains(known, v):
		case len(known) == 0:
			return usagef("--%s %s: the state file knows none yet", n.flag, v)
		default:
			return usagef("--%s %s: known are %s", n.flag, v, strings.Join(known, ", "))
		}
	}
	return nil
}

// known are the accounts, or Regions, that the state file or the configuration names.
func (f *filters) known(of func(inventory.Scope) string) func(context.Context, state) ([]string, error) {
	return func(ctx context.Context, s state) ([]string, error) {
		scopes, err := s.Scopes(ctx)
		if err == nil && f.alerts {
			var more []inventory.Scope
			more, err = s.AlertScopes(ctx)
			scopes = append(scopes, more...)
		}
		for _, x := range s.conf.Accounts {
			scopes = append(scopes, inventory.Scope{Account: x.ID})
		}
		for _, x := range s.conf.Inventory.Regions {
			if x != "all" {
				scopes = append(scopes, inventory.Scope{Region: x})
			}
		}
		var names []string
		for _, x := range scopes {
			names = append(names, of(x))
		}
		return sortedSet(names), err
	}
}

func sinkNames(ctx context.Context, s state) ([]string, error) {
	names, err := s.SinkNames(ctx)
	for _, x := range s.conf.Alerts {
		names = append(names, x.Name)
	}
	return sortedSet(append(names, "log")), err
}

// sortedSet are the words in order, each once, without empty ones.
func sortedSet(words []string) []string {
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(w string) bool { return w == "" })
}
