package alert_test

import (
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"flowkeeper/alert"
)

func TestIDIsStable(t *testing.T) {
	t.Parallel()
	// These must never change: a newer version must not send an alert again after a restart.
	if got := alert.ID("111122223333/eu-west-1", "e1", "deletion"); got != "alrt_3ibmouyns3n4soaxiyu26arkff" {
		t.Error(got)
	}
	if got := alert.DedupKey("111122223333/eu-west-1", "e1"); got != "flowkeeper-5xukkff6idqzrp75yda4yny6gc" {
		t.Error(got)
	}
}

func TestDifferentPartsMakeDifferentIDs(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^alrt_[a-z2-7]{26}$`)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.StringN(0, 3, -1))
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		if !form.MatchString(alert.ID(a...)) {
			t.Fatal(alert.ID(a...))
		}
		if slices.Equal(a, b) != (alert.ID(a...) == alert.ID(b...)) {
			t.Fatalf("%q %q", a, b)
		}
	})
}
