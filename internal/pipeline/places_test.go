package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// TestI1UrgentPlacesBeyondTenOnAFullDisk: a medium alert already stands for all accounts beyond MostSingle. Accounts
// with protected flow logs must still have high alerts, even if the full disk lets no alert be stored.
func TestI1UrgentPlacesBeyondTenOnAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, protects := newBox(), fleet{}
		o := NewPlaces(out, protects, Kind{Part: alert.PartAccount, Whole: true, Texts: texts{}})
		fail := func(n int, protected bool) {
			s := inventory.Scope{Account: fmt.Sprint(111100000000 + n)}
			protects[s.Account] = protected
			o.Fail(s, "", errors.New("refused"))
			o.addAlerts(t.Context())
		}
		for n := range MostSingle + 1 {
			fail(n, false)
		}
		if n := len(out.added); n != MostSingle+1 || out.added[n-1].Account != "" || out.added[n-1].Level != alert.Medium {
			t.Fatalf("no medium alert stands for several accounts: %q", out.causes())
		}
		out.full = true
		for n := range MostSingle + 3 {
			fail(100+n, true)
		}
		high, together := 0, 0
		for _, a := range out.bypassed {
			if a.Level == alert.High {
				if high++; a.Account == "" {
					together++
				}
			}
		}
		if high != MostSingle+1 || together != 1 {
			t.Errorf("%d high alerts, %d of them for several accounts; want %d and 1", high, together, MostSingle+1)
		}
	})
}

// TestI7NoRecoveryWhileItFails: a Region fails for one cause, and then for another. The alert of the second cause comes
// before the end of the first alert, and that end does not say that the Region works. If the cause changes again and
// again, there is no further alert.
func TestI7NoRecoveryWhileItFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, s := newBox(), inventory.Scope{Account: account, Region: region}
		o := NewPlaces(out, fleet{account: true}, Kind{Part: alert.PartRefresh, Recovery: "it works again", Texts: texts{}})
		for range 5 {
			for _, c := range []scopes.Cause{scopes.Unanswered, scopes.Denied} {
				time.Sleep(time.Hour)
				o.Fail(s, c, errors.New(string(c)))
				o.addAlerts(t.Context())
			}
		}
		time.Sleep(time.Hour)
		o.Works(s)
		o.addAlerts(t.Context())
		want := []string{
			"1 Regions of the account " + account + ": unanswered", "1 Regions of the account " + account + ": denied",
			"no Region of the account fails for this cause now. Some still fail for another cause, which has an alert of its own", "it works again",
		}
		if got := out.causes(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestFailSaysWhatBegins: Fail returns true if an account begins to fail: at its first failure, and at the first one
// after it has worked again.
func TestFailSaysWhatBegins(t *testing.T) {
	t.Parallel()
	o := NewPlaces(newBox(), fleet{}, Kind{Part: alert.PartAccount, Whole: true, Texts: texts{}})
	fail := func(account string) bool {
		return o.Fail(inventory.Scope{Account: account}, "", errors.New("refused"))
	}
	var got []bool
	for _, account := range []string{"1", "1", "2", "1", "3", "2"} {
		got = append(got, fail(account))
	}
	if want := []bool{true, false, true, false, true, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	o.Works(inventory.Scope{Account: "2"})
	o.addAlerts(t.Context())
	if !fail("2") {
		t.Error("an account that worked and fails again does not begin to fail")
	}
}
