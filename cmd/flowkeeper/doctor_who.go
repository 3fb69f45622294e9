package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/term"
)

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
