package doctor

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// many returns n results, one for each account from 111122223300 on.
func many(n int, of func(n int, account string) Result) (out []Result) {
	for n := range n {
		account := fmt.Sprint(111122223300 + n)
		r := of(n, account)
		r.Account = account
		out = append(out, r)
	}
	return out
}

// TestLines: results with one cause in many accounts or Regions become one line. A result that differs keeps its own
// line.
func TestLines(t *testing.T) {
	t.Parallel()
	refused := func(_ int, account string) Result {
		return Result{Status: Fail, Detail: "denied: arn:aws:iam::" + account + ":role/flowkeeper", Fix: "deploy it in " + account}
	}
	type line struct {
		status Status
		places int
		detail string
		fixes  []string
	}
	for name, c := range map[string]struct {
		group []Result
		want  []line
	}{
		"nothing":                       {nil, nil},
		"of this machine":               {[]Result{{Status: OK, Detail: "all well"}}, []line{{OK, 0, "all well", nil}}},
		"skipped":                       {[]Result{{Status: Skipped, Detail: "no state file", Account: "1"}}, nil},
		"the same in two accounts":      {many(2, func(int, string) Result { return Result{Status: Warn, Detail: "late"} }), []line{{Warn, 2, "late", nil}}},
		"the same text, another status": {[]Result{{Status: Warn, Detail: "late"}, {Status: Fail, Detail: "late"}}, []line{{Warn, 0, "late", nil}, {Fail, 0, "late", nil}}},
		"three that are fine": {many(3, func(n int, _ string) Result { return Result{Status: OK, Detail: fmt.Sprintf("trail %d", n)} }),
			[]line{{OK, 1, "trail 0", nil}, {OK, 1, "trail 1", nil}, {OK, 1, "trail 2", nil}}},
		"four that are fine": {many(4, func(n int, _ string) Result { return Result{Status: OK, Detail: fmt.Sprintf("trail %d", n)} }), []line{{OK, 4, "fine", nil}}},
		"four that are noted": {append(many(4, func(int, string) Result { return Result{Status: OK, Detail: "by log files", noted: true} }), Result{Account: "9", Status: OK, Detail: "by a rule"}),
			[]line{{OK, 4, "by log files", nil}, {OK, 1, "by a rule", nil}}},
		"four that are noted, and four that are fine": {append(many(4, func(int, string) Result { return Result{Status: OK, Detail: "by log files", noted: true} }), many(4, func(n int, _ string) Result { return Result{Status: OK, Detail: fmt.Sprint("by rule ", n)} })...),
			[]line{{OK, 4, "by log files", nil}, {OK, 4, "fine", nil}}},
		"one cause, three accounts": {many(3, refused), []line{
			{Fail, 1, "denied: arn:aws:iam::111122223300:role/flowkeeper", []string{"deploy it in 111122223300"}},
			{Fail, 1, "denied: arn:aws:iam::111122223301:role/flowkeeper", []string{"deploy it in 111122223301"}},
			{Fail, 1, "denied: arn:aws:iam::111122223302:role/flowkeeper", []string{"deploy it in 111122223302"}},
		}},
		"one cause, four accounts": {many(4, refused), []line{{Fail, 4, "denied: arn:aws:iam::ACCOUNT:role/flowkeeper", []string{"deploy it in ACCOUNT"}}}},
		"other numbers": {many(4, func(n int, _ string) Result {
			return Result{Status: Warn, Detail: fmt.Sprintf("%s ago, at 2026-03-01T12:0%d:00Z", time.Duration(n+60)*time.Second, n)}
		}), []line{{Warn, 4, "for example 111122223300: 1m0s ago, at 2026-03-01T12:00:00Z", nil}}},
		"one cause with two fixes": {many(4, func(n int, _ string) Result {
			return Result{Status: Fail, Detail: "no trail", Fix: fmt.Sprintf("fix %d", n%2)}
		}),
			[]line{{Fail, 4, "no trail", []string{"fix 0", "fix 1"}}}},
		"another cause among many": {slices.Insert(many(4, refused), 1, Result{Account: "9", Status: Fail, Detail: "no role"}), []line{
			{Fail, 4, "denied: arn:aws:iam::ACCOUNT:role/flowkeeper", []string{"deploy it in ACCOUNT"}}, {Fail, 1, "no role", nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []line
			for _, l := range Lines(c.group) {
				got = append(got, line{l.Status, len(l.Places), l.Detail, l.Fixes})
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestNamedAccountsShareALine: results whose texts differ only in the names and IDs of accounts become one line.
func TestNamedAccountsShareALine(t *testing.T) {
	t.Parallel()
	group := many(4, func(n int, account string) Result {
		name := fmt.Sprint("member (", n, ")")
		return Result{AccountName: name, Status: Fail, Detail: "denied to " + account, Fix: "in account " + alert.WithAccount(account, name) + ": deploy it"}
	})
	got := Lines(group)
	if len(got) != 1 || got[0].Detail != "denied to ACCOUNT" || !slices.Equal(got[0].Fixes, []string{"in account ACCOUNT: deploy it"}) {
		t.Errorf("%+v", got)
	}
}

// TestWholeAccounts: if a result is the same in all Regions of an account, it becomes one result of the account.
func TestWholeAccounts(t *testing.T) {
	t.Parallel()
	r := func(account, region string, status Status, detail, fix string) Result {
		return Result{Account: account, Region: region, Status: status, Detail: detail, Fix: fix}
	}
	for name, c := range map[string]struct{ group, want []Result }{
		"nothing":                          {nil, nil},
		"one Region":                       {[]Result{r("1", "eu", Fail, "no role", "")}, []Result{r("1", "eu", Fail, "no role", "")}},
		"this machine":                     {[]Result{r("", "", Warn, "full", ""), r("", "", Warn, "full", "")}, []Result{r("", "", Warn, "full", ""), r("", "", Warn, "full", "")}},
		"unknown account":                  {[]Result{r("", "eu", Fail, "no", ""), r("", "us", Fail, "no", "")}, []Result{r("", "eu", Fail, "no", ""), r("", "us", Fail, "no", "")}},
		"the same in each Region":          {[]Result{r("1", "eu", Fail, "no role", "x"), r("1", "us", Fail, "no role", "x")}, []Result{r("1", "", Fail, "no role", "x")}},
		"OK in each Region":                {[]Result{r("1", "eu", OK, "role", ""), r("1", "us", OK, "role", "")}, []Result{r("1", "eu", OK, "role", ""), r("1", "us", OK, "role", "")}},
		"skipped in each Region":           {[]Result{r("1", "eu", Skipped, "no", ""), r("1", "us", Skipped, "no", "")}, []Result{r("1", "eu", Skipped, "no", ""), r("1", "us", Skipped, "no", "")}},
		"the same in two of three Regions": {[]Result{r("1", "eu", Fail, "no", ""), r("1", "us", Fail, "no", ""), r("1", "ap", OK, "yes", "")}, []Result{r("1", "eu", Fail, "no", ""), r("1", "us", Fail, "no", ""), r("1", "ap", OK, "yes", "")}},
		"another fix in each Region":       {[]Result{r("1", "eu", Fail, "no", "in eu"), r("1", "us", Fail, "no", "in us")}, []Result{r("1", "eu", Fail, "no", "in eu"), r("1", "us", Fail, "no", "in us")}},
		"twice in one Region":              {[]Result{r("1", "eu", Fail, "no", ""), r("1", "eu", Fail, "no", ""), r("1", "us", Fail, "other", "")}, []Result{r("1", "eu", Fail, "no", ""), r("1", "eu", Fail, "no", ""), r("1", "us", Fail, "other", "")}},
		"two accounts": {[]Result{r("1", "eu", Fail, "no", ""), r("1", "us", Fail, "no", ""), r("2", "eu", Fail, "no", ""), r("2", "us", Warn, "no", "")},
			[]Result{r("1", "", Fail, "no", ""), r("2", "eu", Fail, "no", ""), r("2", "us", Warn, "no", "")}},
		"two causes, one of them in each Region": {[]Result{r("1", "eu", Fail, "a", ""), r("1", "eu", Fail, "b", ""), r("1", "us", Fail, "b", ""), r("1", "", OK, "c", "")},
			[]Result{r("1", "eu", Fail, "a", ""), r("1", "", Fail, "b", ""), r("1", "", OK, "c", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := wholeAccounts(c.group); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestPlaces: an account that can't be reached has no Regions, so it does not add to their number. Accounts with the
// same Regions are named together.
func TestPlaces(t *testing.T) {
	t.Parallel()
	const a, b, c = "111122223333", "222233334444", "333344445555"
	names := map[string]string{a: "payments"}
	var thirty Places
	for n := range 30 {
		id := fmt.Sprintf("%012d", n)
		thirty = append(thirty, inventory.Scope{Account: id}, inventory.Scope{Account: id, Region: "eu"}, inventory.Scope{Account: id, Region: "us"})
	}
	for name, x := range map[string]struct {
		places      Places
		short, list string // list of two accounts
	}{
		"this machine":                     {nil, "", ""},
		"one account, one Region":          {Places{{Account: a, Region: "eu"}}, "payments (111122223333) eu", "payments (111122223333): eu"},
		"two accounts":                     {Places{{Account: a}, {Account: b}}, "payments (111122223333), 222233334444", "payments (111122223333), 222233334444"},
		"few Regions of one account":       {Places{{Account: a, Region: "eu"}, {Account: a, Region: "us"}}, "payments (111122223333) eu, us", "payments (111122223333): eu, us"},
		"few Regions of two accounts":      {Places{{Account: a, Region: "eu"}, {Account: a, Region: "us"}, {Account: b, Region: "eu"}}, "payments (111122223333) eu, us; 222233334444 eu", "payments (111122223333): eu, us; 222233334444: eu"},
		"an account and its Regions":       {Places{{Account: a}, {Account: a, Region: "eu"}, {Account: a, Region: "us"}}, "payments (111122223333) eu, us", "payments (111122223333): eu, us"},
		"many accounts":                    {Places{{Account: c}, {Account: b}, {Account: a}, {Account: "1"}}, "4 accounts", "1, payments (111122223333); 2 more accounts: see --json"},
		"many Regions of one account":      {Places{{Account: a, Region: "us"}, {Account: a, Region: "eu"}, {Account: a, Region: "ap"}, {Account: a, Region: "sa"}}, "4 Regions of payments (111122223333)", "payments (111122223333): ap, eu, sa, us"},
		"the same Regions of two accounts": {Places{{Account: a, Region: "eu"}, {Account: a, Region: "us"}, {Account: b, Region: "us"}, {Account: b, Region: "eu"}}, "4 Regions of 2 accounts", "payments (111122223333), 222233334444: eu, us"},
		"other Regions of each account":    {Places{{Account: a, Region: "eu"}, {Account: a, Region: "us"}, {Account: b, Region: "us"}, {Account: b, Region: "ap"}}, "4 Regions of 2 accounts", "payments (111122223333): eu, us; 222233334444: ap, us"},
		"many accounts and their Regions":  {thirty, "60 Regions of 30 accounts", "000000000000, 000000000001: eu, us; 28 more accounts: see --json"},
		"one Region of each account":       {Places{{Account: a, Region: "eu"}, {Account: b, Region: "eu"}, {Account: c, Region: "eu"}, {Account: "1", Region: "eu"}}, "4 accounts", "1, payments (111122223333): eu; 2 more accounts: see --json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if short, list := x.places.Short(names), x.places.list(names, 2); short != x.short || list != x.list {
				t.Errorf("%q, %q; want %q, %q", short, list, x.short, x.list)
			}
		})
	}
	if got := (Places{{}, {Region: "us"}, {Region: "eu"}, {}, {Region: "us"}}).Named(); !slices.Equal(got, Places{{Region: "eu"}, {Region: "us"}}) {
		t.Errorf("%v", got)
	}
}

// TestAllPlaces: a failure lists all its accounts and Regions. A warning or unknown lists the first ten. A result that
// is OK lists none, nor does one whose line already names its few accounts.
func TestAllPlaces(t *testing.T) {
	t.Parallel()
	of := func(status Status, places int) string {
		l := Line{Result: Result{Status: status}}
		for n := range places {
			l.Places = append(l.Places, inventory.Scope{Account: fmt.Sprint(n)})
		}
		return l.AllPlaces(nil)
	}
	for _, c := range []struct {
		status Status
		places int
		want   string
	}{
		{OK, 12, ""}, {Fail, 3, ""}, {Fail, 4, "0, 1, 2, 3"}, {Unknown, 4, "0, 1, 2, 3"},
		{Fail, 12, "0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9"}, {Warn, 12, "0, 1, 10, 11, 2, 3, 4, 5, 6, 7; 2 more accounts: see --json"},
	} {
		t.Run(fmt.Sprintf("%s in %d", c.status, c.places), func(t *testing.T) {
			t.Parallel()
			if got := of(c.status, c.places); got != c.want {
				t.Errorf("%s in %d places: %q, want %q", c.status, c.places, got, c.want)
			}
		})
	}
}
