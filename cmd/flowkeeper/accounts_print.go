package main

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/accounts"
	"flowkeeper/internal/term"
)

// accountJSON is one account; a public contract as those of contract.go.
type accountJSON struct {
	Account     string     `json:"account"`
	Name        string     `json:"name,omitempty"`
	Path        string     `json:"path,omitempty"`  // the names of the root and the OUs above it
	State       string     `json:"state,omitempty"` // as AWS Organizations names it
	Management  bool       `json:"management,omitempty"`
	Source      string     `json:"source"` // organization or accounts
	ProtectedAt alert.Time `json:"protected_at,omitzero"`
	DepartedAt  alert.Time `json:"departed_at,omitzero"`
	Departed    string     `json:"departed,omitempty"` // left, inactive or deselected
	RoleARN     string     `json:"role_arn,omitempty"`
	RoleWorks   *bool      `json:"role_works,omitempty"` // absent: AWS was not asked
	RoleError   string     `json:"role_error,omitempty"`
	Regions     []string   `json:"regions,omitempty"`
	FlowLogs    int        `json:"protected_flow_logs"`
	RefreshedAt alert.Time `json:"refreshed_at,omitzero"` // in the Region where it is longest ago
}

func toAccountJSON(x accounts.Account) accountJSON {
	out := accountJSON{
		Account: x.ID, Name: x.Name, Path: x.Path, State: string(x.State), Management: x.Management, Source: x.Source,
		ProtectedAt: jsonTime(x.FirstAt), DepartedAt: jsonTime(x.LeftAt), Departed: string(x.Why), RoleARN: x.RoleARN,
		Regions: x.Regions, FlowLogs: x.FlowLogs, RefreshedAt: jsonTime(x.RefreshedAt),
	}
	if x.Asked {
		out.RoleWorks = new(!x.Fails())
	}
	if x.Fails() {
		out.RoleError = whyNot(x.Err)
	}
	return out
}

func printAccounts(a *app, all []accounts.Account, which chosenAccounts, asked bool) {
	t := a.Table(term.CutTo(12, "NAME"), term.Whole("ACCOUNT"), term.CutTo(12, "OU").KeepEnd().OrDrop(1), term.CutTo(30, "ROLE"),
		term.Whole("REGIONS").OrDrop(3), term.Whole("FLOW LOGS").OrDrop(4), term.Whole("REFRESHED").OrDrop(2))
	failed, departed := 0, 0
	for _, x := range all {
		switch {
		case x.Departed():
			departed++
		case x.Fails():
			failed++
		}
		if which.failing && !x.Fails() {
			continue
		}
		t.Add(toAccountJSON(x), x.Name, x.ID, x.Path, roleCell(a, x), regionsText(x.Regions), x.FlowLogs, cmp.Or(a.ago(x.RefreshedAt), "never"))
	}
	t.Flush()
	if a.JSON {
		return
	}
	protected := len(all) - departed
	what := alert.Plural(protected, "account") + " to protect"
	if len(which.words) > 0 {
		what = alert.Plural(len(all), "account") + " chosen"
	}
	switch {
	case len(all) == 0 && asked: // the error says why
	case len(all) == 0:
		a.Note("no account is known yet: the daemon lists the organisation when it starts, and so does this command without --offline")
	case !asked:
		a.Note("%s, %d departed; AWS was not asked", what, departed)
	default:
		a.Note("%s: the role works in %d, and does not in %d; %d departed", what, protected-failed, failed, departed)
	}
}

// roleCell says whether Flowkeeper can act in the account.
func roleCell(a *app, x accounts.Account) term.Cell {
	switch {
	case x.Departed():
		return term.Colored("departed "+a.ago(x.LeftAt)+": "+x.Why.Text(x.State), term.Dim)
	case !x.Asked:
		return term.Colored("not asked", term.Dim)
	case !x.Fails():
		return term.Colored("works", term.Green)
	case x.Management:
		return term.Colored("management account, without the role: "+whyNot(x.Err), term.Yellow)
	}
	return term.Colored(whyNot(x.Err), term.Red)
}

// regionsText names one Region or two, and counts more.
func regionsText(regions []string) string {
	switch {
	case len(regions) == 0:
		return "-"
	case len(regions) <= 2:
		return strings.Join(regions, ", ")
	}
	return fmt.Sprint(len(regions))
}
