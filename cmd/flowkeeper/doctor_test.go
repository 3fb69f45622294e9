package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/doctor"
)

// TestDoctorCondenses: results that are equal, or OK in many Regions, share a line. A result that differs keeps its own
// line.
func TestDoctorCondenses(t *testing.T) {
	t.Parallel()
	var group []doctor.Result
	for n := range 6 {
		group = append(group, doctor.Result{Check: "trail", Account: "1", Region: fmt.Sprintf("r-%d", n), Status: doctor.OK, Detail: fmt.Sprintf("trail %d logs", n)})
	}
	for n := range 5 {
		group = append(group, doctor.Result{Check: "trail", Account: "222233334444", Region: fmt.Sprintf("r-%d", n), Status: doctor.Fail, Detail: "no trail",
			Fix: fmt.Sprintf("aws --region r-%d", n), See: doctor.See("trail")})
	}
	group = append(group, doctor.Result{Check: "trail", Account: "3", Region: "r-1", Status: doctor.Fail, Detail: "another", Fix: "evil \x1b[2J", See: doctor.See("trail")},
		doctor.Result{Check: "trail", Account: "4", Region: "r-1", Status: doctor.Skipped, Detail: "in the summary"},
		doctor.Result{Check: "trail", Account: "5", Region: "r-1", Status: doctor.Unknown, Detail: "can't tell, because of rain", See: doctor.See("trail")})
	got := printed(t, func(a *app) { writeResults(a, group, nil) })
	const want = `ok          trail            6 Regions of 1: fine
FAILED      trail            5 Regions of 222233334444: no trail
    in 222233334444: r-0, r-1, r-2, r-3, r-4
    aws --region REGION
    see docs/troubleshoot.md#trail
FAILED      trail            3 r-1: another
    evil \x1b[2J
    see docs/troubleshoot.md#trail
can't tell  trail            5 r-1: because of rain
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDoctorColumns: the columns are wide enough for the name of each check and for the mark of each status.
func TestDoctorColumns(t *testing.T) {
	t.Parallel()
	for _, c := range doctor.Checks() {
		if len(c.ID) > checkWidth {
			t.Errorf("%s is wider than its column", c.ID)
		}
	}
	for _, s := range []doctor.Status{doctor.OK, doctor.Warn, doctor.Fail, doctor.Unknown} {
		if m, _ := statusMark(s); len(m) > markWidth {
			t.Errorf("%s is wider than its column", m)
		}
	}
}

// TestReviewShowsWhoMayPerhaps: the table also lists the principals of whom IAM can't tell whether they may delete flow
// logs (maybe).
func TestReviewShowsWhoMayPerhaps(t *testing.T) {
	t.Parallel()
	no := false
	reviews := []doctor.Review{{Account: "1", AccountName: "audit", Asked: 5, Organization: 2, May: []doctor.MayDelete{
		{Account: "1", AccountName: "audit", ARN: "arn:aws:iam::1:role/r", Type: "role", WithMFA: true},
		{Account: "1", ARN: "arn:aws:iam::1:user/u", Type: "user", Maybe: true, AccessKey: &no, Unknown: []string{"aws:SourceIp"}},
	}}}
	got := printed(t, func(a *app) { writeReviews(a, reviews, time.Second) })
	for _, want := range []string{"audit (1)", "yes    no      -", "maybe  maybe   maybe", "1 of 5 users and roles may call ec2:DeleteFlowLogs, 1 more maybe", "so that the truth may differ: aws:SourceIp\n",
		"a service control policy denies it to 2 of them", "the root user, whom only a service control policy binds"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	got = printed(t, func(a *app) {
		a.JSON = true
		writeReviews(a, reviews, time.Second)
	})
	if !strings.Contains(got, `"with_mfa":false,"without_mfa":false,"maybe":true,"access_key":false,"unknown_conditions":["aws:SourceIp"]`) {
		t.Error(got)
	}
}

// TestReviewThatIsNotWholeFails: a review that could not ask about all principals is an error, so that the exit code
// shows it.
func TestReviewThatIsNotWholeFails(t *testing.T) {
	t.Parallel()
	if err := incomplete([]doctor.Review{{Account: "1"}}); err != nil {
		t.Error(err)
	}
	err := incomplete([]doctor.Review{{Account: "1"}, {Account: "2", AccountName: "audit", Cut: true}})
	if err == nil || !strings.HasPrefix(err.Error(), "account audit (2): there are more than 5000 users and roles") {
		t.Error(err)
	}
}

// TestDoctorSummary: the summary says why checks were left out, and in which accounts and Regions if they belong to
// any. It uses the same words for a status as the lines above it.
func TestDoctorSummary(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counts  map[doctor.Status]int
		skipped map[string]doctor.Places
		want    string
	}{
		"all is well":           {map[doctor.Status]int{doctor.OK: 3}, nil, "\nnothing fails: 3 ok\n"},
		"warnings and unknowns": {map[doctor.Status]int{doctor.Warn: 1, doctor.Unknown: 7, doctor.Skipped: 2}, nil, "\nnothing fails: 0 ok, 1 warning, 7 can't tell, 2 left out\n"},
		"failures":              {map[doctor.Status]int{doctor.Fail: 2, doctor.OK: 1, doctor.Warn: 5}, nil, "\n2 FAILED, 1 ok, 5 warnings\n"},
		"left out, and why": {map[doctor.Status]int{doctor.Skipped: 4}, map[string]doctor.Places{"no": {{}, {Region: "eu-west-1"}, {}}, "never": {{}}},
			"left out    1 check: never\nleft out    3 checks of eu-west-1: no\n\nnothing fails: 0 ok, 4 left out\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := printed(t, func(a *app) { writeSummary(a, c.counts, c.skipped, nil) }); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestWhoMayDeleteWithoutAnswers: if IAM answers no question, the summary says that nobody could be checked. It must
// not say that none of 0 users may delete flow logs.
func TestWhoMayDeleteWithoutAnswers(t *testing.T) {
	t.Parallel()
	for first, reviews := range map[string][]doctor.Review{
		"no user or role could be checked\n":                                                  {{Account: "1", Err: errors.New("denied")}},
		"0 of 4 users and roles may call ec2:DeleteFlowLogs, 0 more maybe (checked in 1 s)\n": {{Account: "1", Asked: 4}},
	} {
		if got := printed(t, func(a *app) { writeReviews(a, reviews, time.Second) }); !strings.HasPrefix(got, first) {
			t.Errorf("%q, want it to begin with %q", got, first)
		}
	}
}

// TestDoctorNamesAccounts: the doctor shows the name of an account with its number, whether a line is about one Region
// or many.
func TestDoctorNamesAccounts(t *testing.T) {
	t.Parallel()
	var group []doctor.Result
	for n := range 5 {
		group = append(group, doctor.Result{Check: "trail", Account: "222233334444", Region: fmt.Sprintf("r-%d", n), Status: doctor.Fail, Detail: "no trail"})
	}
	group = append(group, doctor.Result{Check: "trail", Account: "111122223333", Region: "r-1", Status: doctor.Fail, Detail: "another"})
	names := map[string]string{"222233334444": "payments-prod", "111122223333": "audit\x1b[2J"}
	got := printed(t, func(a *app) { writeResults(a, group, names) })
	for _, want := range []string{"5 Regions of payments-prod (222233334444): no trail\n", "in payments-prod (222233334444): r-0, r-1, r-2, r-3, r-4\n", `audit\x1b[2J (111122223333) r-1: another`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Errorf("the output has an escape sequence: %q", got)
	}
}
