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
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/term"
)

func newDoctorCommand(a *app) *cobra.Command {
	var who bool
	c := &cobra.Command{
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
			d, err := a.newDoctor(c.Context(), !who)
			switch {
			case err != nil:
				return err
			case who:
				return a.whoCanDelete(c.Context(), d)
			}
			return a.examine(c.Context(), d)
		},
	}
	a.jsonFlag(c, "one JSON object a line, for each check and place")
	c.Flags().BoolVar(&who, "who-can-delete", false, "list who may call ec2:DeleteFlowLogs instead, and by which statement")
	return c
}

// newDoctor reads the configuration. A wrong one is a check's result in JSON, too.
func (a *app) newDoctor(ctx context.Context, checks bool) (*doctor.Doctor, error) {
	conf, warnings, err := a.configWarned(needs{queue: true})
	if err != nil && checks && a.JSON {
		r := doctor.Result{Check: doctor.Configuration, Title: doctor.Checks()[0].Title, Status: doctor.Fail, Detail: err.Error(), See: doctor.See(doctor.Configuration)}
		return nil, errors.Join(err, a.Object(r))
	}
	if err != nil {
		return nil, err
	}
	base, err := daemon.Base(ctx, conf, a.warnings())
	if err != nil {
		return nil, err
	}
	return &doctor.Doctor{Config: conf, File: a.configUsed(), Warnings: warnings, AWS: base,
		Accounts: daemon.Accounts(conf), Routes: daemon.Routes(conf), Now: a.now}, nil
}

func (a *app) examine(ctx context.Context, d *doctor.Doctor) error {
	p := a.Progress("checks", len(doctor.Checks()))
	counts, skipped := map[doctor.Status]int{}, map[string][]string{}
	err := d.Run(ctx, func(group []doctor.Result) error {
		p.Step()
		for _, r := range group {
			counts[r.Status]++
			if r.Status == doctor.Skipped {
				skipped[r.Detail] = append(skipped[r.Detail], place(r))
			}
		}
		return errors.Join(a.writeResults(group), a.Flush())
	})
	p.End()
	if err != nil {
		return err
	}
	if !a.JSON {
		a.writeSummary(counts, skipped)
	}
	if counts[doctor.Fail] > 0 {
		return errPrinted
	}
	return nil
}

// alike is how many places are named; more are counted.
const alike = 3

func (a *app) writeResults(group []doctor.Result) error {
	if a.JSON {
		return writeObjects(a, group)
	}
	for _, l := range condense(group) {
		a.writeLine(l)
	}
	return nil
}

func writeObjects[T any](a *app, list []T) error {
	for _, v := range list {
		if err := a.Object(v); err != nil {
			return err
		}
	}
	return nil
}

// line is a result that is the same in some places.
type line struct {
	doctor.Result
	places []string
	fixes  []string
}

// condense returns one line for all places with the same result, and one for all
// that are fine if these are many. Skipped checks are in the summary.
func condense(group []doctor.Result) (out []line) {
	good := 0
	for _, r := range group {
		if r.Status == doctor.OK {
			good++
		}
	}
	for _, r := range group {
		if r.Status == doctor.Skipped {
			continue
		}
		if r.Status == doctor.OK && good > alike {
			r.Detail = "fine"
		}
		n := slices.IndexFunc(out, func(l line) bool { return l.Status == r.Status && l.Detail == r.Detail })
		if n < 0 {
			out, n = append(out, line{Result: r}), len(out)
		}
		if p := place(r); p != "" {
			out[n].places = append(out[n].places, p)
		}
		if r.Fix != "" && !slices.Contains(out[n].fixes, r.Fix) {
			out[n].fixes = append(out[n].fixes, r.Fix)
		}
	}
	return out
}

// where names the places of a line, or counts them.
func where(places []string) string {
	if len(places) > alike {
		return term.Plural(len(places), "place")
	}
	return strings.Join(places, ", ")
}

// mark is the word for a status, and its colour.
func mark(s doctor.Status) (string, term.Color) {
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

func (a *app) writeLine(l line) {
	text, c := mark(l.Status)
	detail := strings.TrimLeft(strings.TrimPrefix(l.Detail, "can't tell"), ",: ")
	if len(l.places) > 0 {
		detail = where(l.places) + ": " + detail
	}
	a.Printf("%s%s  %-*s  %s\n", a.Paint(text, c), strings.Repeat(" ", markWidth-len(text)), checkWidth, l.Check, term.Clean(detail))
	if len(l.places) > alike && l.Status != doctor.OK {
		l.fixes = append([]string{"in " + strings.Join(l.places, ", ")}, l.fixes...)
	}
	if l.See != "" && l.Status != doctor.Unknown {
		l.fixes = append(l.fixes, "see "+l.See)
	}
	for _, f := range l.fixes {
		a.Printf("    %s\n", alert.Clean(f, maxFix))
	}
}

func place(r doctor.Result) string { return strings.TrimSpace(r.Account + " " + r.Region) }

func (a *app) writeSummary(counts map[doctor.Status]int, skipped map[string][]string) {
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		places := slices.Compact(slices.Sorted(slices.Values(skipped[why])))
		places = slices.DeleteFunc(places, func(p string) bool { return p == "" }) // of this machine, or of an account that is not known
		text := term.Plural(len(skipped[why]), "check")
		if len(places) > 0 {
			text += " of " + where(places)
		}
		a.Printf("%s  %s\n", a.Paint(fmt.Sprintf("%-*s", markWidth, "left out"), term.Dim), term.Clean(text+": "+why))
	}
	parts := []string{fmt.Sprintf("%d ok", counts[doctor.OK])}
	if n := counts[doctor.Warn]; n > 0 {
		parts = append(parts, term.Plural(n, "warning"))
	}
	if n := counts[doctor.Unknown]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d can't tell", n))
	}
	if n := counts[doctor.Skipped]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d left out", n))
	}
	verdict, c := "nothing fails: ", term.Green
	if n := counts[doctor.Fail]; n > 0 {
		verdict, c = fmt.Sprintf("%d FAILED, ", n), term.Red
	}
	a.Printf("\n%s%s\n", a.Paint(verdict, c), strings.Join(parts, ", "))
}

func (a *app) whoCanDelete(ctx context.Context, d *doctor.Doctor) error {
	p := a.Progress("users and roles checked", 0)
	begun := a.now()
	reviews := d.WhoMayDelete(ctx, p.Step)
	p.End()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(a.writeMay(reviews, a.now().Sub(begun)), notWhole(reviews))
}

// notWhole says what the reviews left out.
func notWhole(reviews []doctor.Review) error {
	var errs []error
	for _, r := range reviews {
		if why := r.Why(); why != "" {
			errs = append(errs, fmt.Errorf("account %s: %s", r.Account, why))
		}
	}
	return errors.Join(errs...)
}

func (a *app) writeMay(reviews []doctor.Review, took time.Duration) error {
	t := a.Table(term.Whole("ACCOUNT"), term.CutTo(20, "PRINCIPAL").KeepEnd(), term.Whole("MFA"), term.Whole("NO MFA"), term.Whole("KEY"), term.CutTo(20, "BY").OrDrop(1))
	asked, may, maybe, closed, linked := 0, 0, 0, 0, 0
	unknown := map[string]bool{}
	for _, r := range reviews {
		asked, closed, linked = asked+r.Asked, closed+r.Organization, linked+r.Skipped
		for _, m := range r.May {
			if m.Maybe {
				maybe++
			} else {
				may++
			}
			var by []string
			for _, s := range m.Statements {
				by = append(by, s.String())
			}
			for _, k := range m.Unknown {
				unknown[k] = true
			}
			key := term.Cell{}
			if m.AccessKey != nil {
				key = yesNo(*m.AccessKey, m.Maybe)
			}
			_, name, _ := strings.Cut(m.ARN, "::"+m.Account+":")
			if err := t.Add(m, m.Account, name, yesNo(m.WithMFA, m.Maybe), yesNo(m.WithoutMFA, m.Maybe), key, strings.Join(by, ", ")); err != nil {
				return err
			}
		}
	}
	if a.JSON {
		return nil
	}
	t.Flush()
	lines := []string{"no user or role could be checked"}
	if asked > 0 {
		lines[0] = fmt.Sprintf("%d of %d users and roles may call ec2:DeleteFlowLogs, %d more maybe (checked in %s)", may, asked, maybe, term.Span(took))
	}
	if closed > 0 {
		lines = append(lines, fmt.Sprintf("a service control policy denies it to %d of them: of its conditions, the simulator was given the Region, the principal and MFA only", closed))
	}
	if linked > 0 {
		lines = append(lines, fmt.Sprintf("%s of AWS's own services left out: only these services can use them", term.Plural(linked, "role")))
	}
	if len(unknown) > 0 {
		lines = append(lines, "policies have conditions whose values are not known here, so that the truth may differ: "+strings.Join(slices.Sorted(maps.Keys(unknown)), ", "))
	}
	lines = append(lines, "not seen by IAM's simulator: the root user, whom only a service control policy binds; session policies; who else may assume these roles")
	for _, l := range lines {
		a.Printf("%s\n", term.Clean(l))
	}
	return nil
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
