package main

import (
	"fmt"
	"strings"
	"testing"

	"flowkeeper/internal/doctor"
)

// What is alike shares a line, and nothing that differs is lost.
func TestDoctorCondenses(t *testing.T) {
	t.Parallel()
	var group []doctor.Result
	for n := range 6 {
		group = append(group, doctor.Result{Check: doctor.Trail, Account: "1", Region: fmt.Sprintf("r-%d", n), Status: doctor.OK, Detail: fmt.Sprintf("trail %d logs", n)})
	}
	for n := range 5 {
		group = append(group, doctor.Result{Check: doctor.Trail, Account: "2", Region: fmt.Sprintf("r-%d", n), Status: doctor.Fail, Detail: "no trail",
			Fix: fmt.Sprintf("aws --region r-%d", n), See: doctor.See(doctor.Trail)})
	}
	group = append(group, doctor.Result{Check: doctor.Trail, Account: "3", Region: "r-1", Status: doctor.Fail, Detail: "another", Fix: "evil \x1b[2J", See: doctor.See(doctor.Trail)},
		doctor.Result{Check: doctor.Trail, Account: "4", Region: "r-1", Status: doctor.Skipped, Detail: "told at the end"},
		doctor.Result{Check: doctor.Trail, Account: "5", Region: "r-1", Status: doctor.Unknown, Detail: "can't tell, because of rain", See: doctor.See(doctor.Trail)})
	var out strings.Builder
	if err := (&app{}).writeResults(&out, group, false); err != nil {
		t.Fatal(err)
	}
	const want = `ok          trail            6 places: fine
FAILED      trail            5 places: no trail
    in 2 r-0, 2 r-1, 2 r-2, 2 r-3, 2 r-4
    aws --region r-0
    aws --region r-1
    aws --region r-2
    aws --region r-3
    aws --region r-4
    see docs/troubleshoot.md#trail
FAILED      trail            3 r-1: another
    evil \x1b[2J
    see docs/troubleshoot.md#trail
can't tell  trail            5 r-1: because of rain
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// The columns hold every check's name and every mark.
func TestDoctorColumns(t *testing.T) {
	t.Parallel()
	for _, c := range doctor.Checks() {
		if len(c.ID) > checkWidth {
			t.Errorf("%s is wider than its column", c.ID)
		}
	}
	for _, s := range []doctor.Status{doctor.OK, doctor.Warn, doctor.Fail, doctor.Unknown} {
		if m, _ := mark(s); len(m) > markWidth {
			t.Errorf("%s is wider than its column", m)
		}
	}
}
