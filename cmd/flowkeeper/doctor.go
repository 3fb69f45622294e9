package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

func newDoctorCommand(a *app) *cobra.Command {
	var who bool
	c := a.withJSON("one JSON object a line, for each check and place", &cobra.Command{
		Use: "doctor", Short: "Check AWS and this machine for what would fail, and print the fix", Args: noArgs,
		Long: `Check, in the order in which an event travels, everything that must work for a
deletion to be detected, undone and alerted: a line each, and below what fails
the command or policy that repairs it. It changes nothing, receives no message,
and deletes nothing. Run it on the daemon's machine with the daemon's
credentials.

For a check without the permission to ask AWS the result is "can't tell", with
the permission that is missing: that is no failure, and neither is a warning.
Exit codes: 0 nothing fails, 1 something fails, 78 wrong configuration.
docs/doctor.md explains every check.

With --who-can-delete it asks IAM's policy simulator instead, for every user and
role of each account, whether it may call ec2:DeleteFlowLogs: with MFA,
without, and with a user's own access key, where AWS does not know of MFA. The
answer is maybe if it depends on conditions whose values are not known here.
The exit code is 0, whoever may; it is 1 if a user or role could not be checked.`,
		Example: `  flowkeeper doctor

  # What to paste, for a script
  flowkeeper doctor --json | jq -r 'select(.status == "fail") | .fix'

  # The review that least privilege needs
  flowkeeper doctor --who-can-delete`,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := newDoctor(c.Context(), a, !who)
			switch {
			case err != nil:
				return err
			case who:
				return whoCanDelete(c.Context(), a, d)
			}
			return runChecks(c.Context(), a, d)
		},
	})
	c.Flags().BoolVar(&who, "who-can-delete", false, "list who may call ec2:DeleteFlowLogs instead, and by which statement")
	return c
}

// newDoctor reads the configuration. checks: the command makes checks; with --json, a wrong configuration is
// then printed as the result of a check, too.
func newDoctor(ctx context.Context, a *app, checks bool) (*doctor.Doctor, error) {
	conf, warnings, err := a.config(needs{queue: true})
	if err != nil && checks && a.JSON {
		a.Object(doctor.WrongConfiguration(err))
	}
	if err != nil {
		return nil, err
	}
	base, err := a.awsConfig(ctx, conf, a.warnings())
	if err != nil {
		return nil, err
	}
	d := &doctor.Doctor{Config: conf, File: a.existingConfig(), Warnings: warnings, AWS: base,
		Accounts: daemon.Accounts(conf), Names: doctorNames(ctx, conf), Routes: daemon.Routes(conf), Now: a.now}
	if conf.Organization.RoleName != "" {
		d.Protection = protection{conf}
	}
	return d, nil
}

// protection implements doctor.Protection.
type protection struct{ conf configs.Config }

func (p protection) Accounts(partition string, members []organization.Member) []scopes.Account {
	return daemon.ProtectedAccounts(p.conf, partition, members)
}

func runChecks(ctx context.Context, a *app, d *doctor.Doctor) error {
	p := a.Progress("checks", len(doctor.Checks()))
	counts, skipped := map[doctor.Status]int{}, map[string]doctor.Places{}
	names := map[string]string{} // of accounts, from the results so far: the doctor may learn names from the organisation
	err := d.Run(ctx, func(group []doctor.Result) error {
		p.Step()
		for _, r := range group {
			counts[r.Status]++
			names[r.Account] = r.AccountName
			if r.Status == doctor.Skipped {
				skipped[r.Detail] = append(skipped[r.Detail], inventory.Scope{Account: r.Account, Region: r.Region})
			}
		}
		writeResults(a, group, names)
		return a.Flush()
	})
	p.End()
	if err != nil {
		return err
	}
	if !a.JSON {
		writeSummary(a, counts, skipped, names)
	}
	if counts[doctor.Fail] > 0 {
		return errPrinted
	}
	return nil
}

// doctorNames returns the names of accounts: from the configuration, and from the state file if
// it can be read. If it can't, a check reports that.
func doctorNames(ctx context.Context, c configs.Config) map[string]string {
	if s, err := openState(ctx, c); err == nil {
		defer s.Close()
		if names, err := s.AccountNames(ctx); err == nil {
			return names
		}
	}
	return daemon.Names(c)
}

func writeResults(a *app, group []doctor.Result, names map[string]string) {
	if a.JSON {
		for _, r := range group {
			a.Object(r)
		}
		return
	}
	for _, l := range doctor.Lines(group) {
		writeLine(a, l, names)
	}
}

// statusMark is the word for a status, and its colour.
func statusMark(s doctor.Status) (string, term.Color) {
	switch s {
	case doctor.OK:
		return "ok", term.Green
	case doctor.Warn:
		return "warning", term.Yellow
	case doctor.Fail:
		return "FAILED", term.Red
	}
	return "can't tell", term.Dim
}

// Widths of the columns before a detail.
const (
	markWidth  = len("can't tell")
	checkWidth = len("queue-retention")
	maxFix     = 8000 // characters: a whole encoded message of AWS
)

func writeLine(a *app, l doctor.Line, names map[string]string) {
	text, c := statusMark(l.Status)
	detail := strings.TrimLeft(strings.TrimPrefix(l.Detail, "can't tell"), ",: ")
	if len(l.Places) > 0 {
		detail = l.Places.Short(names) + ": " + detail
	}
	a.Printf("%s%s  %-*s  %s\n", a.Paint(text, c), strings.Repeat(" ", markWidth-len(text)), checkWidth, l.Check, term.Clean(detail))
	if all := l.AllPlaces(names); all != "" {
		a.Printf("    in %s\n", alert.Clean(all, maxFix))
	}
	fixes := l.Fixes
	if l.See != "" && l.Status != doctor.Unknown {
		fixes = append(fixes, "see "+l.See)
	}
	for _, f := range fixes {
		a.Printf("    %s\n", alert.Clean(f, maxFix))
	}
}

func writeSummary(a *app, counts map[doctor.Status]int, skipped map[string]doctor.Places, names map[string]string) {
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		text := alert.Plural(len(skipped[why]), "check")
		if where := skipped[why].Named(); len(where) > 0 { // a check of this machine has no place
			text += " of " + where.Short(names)
		}
		a.Printf("%s  %s\n", a.Paint(fmt.Sprintf("%-*s", markWidth, "left out"), term.Dim), term.Clean(text+": "+why))
	}
	parts := []string{fmt.Sprintf("%d ok", counts[doctor.OK])}
	if n := counts[doctor.Warn]; n > 0 {
		parts = append(parts, alert.Plural(n, "warning"))
	}
	if n := counts[doctor.Unknown]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d can't tell", n))
	}
	if n := counts[doctor.Skipped]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d left out", n))
	}
	result, c := "nothing fails: ", term.Green
	if n := counts[doctor.Fail]; n > 0 {
		result, c = fmt.Sprintf("%d FAILED, ", n), term.Red
	}
	a.Printf("\n%s%s\n", a.Paint(result, c), strings.Join(parts, ", "))
}

func whoCanDelete(ctx context.Context, a *app, d *doctor.Doctor) error {
	p := a.Progress("users and roles checked", 0)
	start := a.now()
	reviews := d.WhoMayDelete(ctx, p.Step)
	p.End()
	if err := ctx.Err(); err != nil {
		return err
	}
	writeReviews(a, reviews, a.now().Sub(start))
	return incomplete(reviews)
}

// incomplete says what the reviews left out.
func incomplete(reviews []doctor.Review) error {
	var errs []error
	for _, r := range reviews {
		if why := r.Why(); why != "" {
			errs = append(errs, fmt.Errorf("account %s: %s", alert.WithAccount(r.Account, r.AccountName), why))
		}
	}
	return errors.Join(errs...)
}

func writeReviews(a *app, reviews []doctor.Review, took time.Duration) {
	t := a.Table(term.CutTo(accountWidth, "ACCOUNT").KeepEnd(), term.CutTo(20, "PRINCIPAL").KeepEnd(), term.Whole("MFA"), term.Whole("NO MFA"), term.Whole("KEY"), term.CutTo(20, "BY").OrDrop(1))
	for _, r := range reviews {
		for _, m := range r.May {
			var by []string
			for _, s := range m.Statements {
				by = append(by, s.String())
			}
			key := term.Cell{}
			if m.AccessKey != nil {
				key = yesNo(*m.AccessKey, m.Maybe)
			}
			_, name, _ := strings.Cut(m.ARN, "::"+m.Account+":")
			t.Add(m, alert.WithAccount(m.Account, m.AccountName), name, yesNo(m.WithMFA, m.Maybe), yesNo(m.WithoutMFA, m.Maybe), key, strings.Join(by, ", "))
		}
	}
	t.Flush()
	if !a.JSON {
		for _, l := range reviewSummary(reviews, took) {
			a.Printf("%s\n", term.Clean(l))
		}
	}
}

// reviewSummary says below the table how many users and roles may delete, and what the
// simulator does not know.
func reviewSummary(reviews []doctor.Review, took time.Duration) []string {
	checked, may, maybe, denied, linked := 0, 0, 0, 0, 0
	var unknown []string
	for _, r := range reviews {
		checked, denied, linked = checked+r.Asked, denied+r.Organization, linked+r.Skipped
		for _, m := range r.May {
			if m.Maybe {
				maybe++
			} else {
				may++
			}
			unknown = append(unknown, m.Unknown...)
		}
	}
	lines := []string{"no user or role could be checked"}
	if checked > 0 {
		lines[0] = fmt.Sprintf("%d of %d users and roles may call ec2:DeleteFlowLogs, %d more maybe (checked in %s)", may, checked, maybe, term.Span(took))
	}
	if denied > 0 {
		lines = append(lines, fmt.Sprintf("a service control policy denies it to %d of them: of its conditions, the simulator was given the Region, the principal and MFA only", denied))
	}
	if linked > 0 {
		lines = append(lines, fmt.Sprintf("%s of AWS's own services left out: only these services can use them", alert.Plural(linked, "role")))
	}
	if len(unknown) > 0 {
		lines = append(lines, "policies have conditions whose values are not known here, so that the truth may differ: "+strings.Join(sortedSet(unknown), ", "))
	}
	return append(lines, "not seen by IAM's simulator: the root user, whom only a service control policy binds; session policies; who else may assume these roles")
}

func yesNo(yes, maybe bool) term.Cell {
	switch {
	case yes:
		return term.Colored("yes", term.Red)
	case maybe:
		return term.Colored("maybe", term.Yellow)
	}
	return term.Cell{Text: "no"}
}
