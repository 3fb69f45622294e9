package store

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// listed returns the alerts of a store by their IDs.
func (s *Store) listed(t *testing.T) map[string]alert.Alert {
	t.Helper()
	out := map[string]alert.Alert{}
	err := s.FindAlerts(t.Context(), Filter{}, func(a alert.Alert, _ []sink.Delivery) error { out[a.ID] = a; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAlertIsStoredWithNames(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), Options{
		Daemon: true, Names: map[string]string{scope.Account: "payments-prod"}, Routes: alerttest.To{"log"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.SetResourceNames(t.Context(), scope, []string{"vpc-1"}, map[string]string{"vpc-1": "main"}); err != nil {
		t.Fatal(err)
	}
	a := alert.Alert{ID: "alrt_1", Time: alert.Time{Time: noon}, Kind: alert.Deletion, Level: alert.High, Account: scope.Account, Region: scope.Region,
		FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}, {FlowLogID: "fl-2", ResourceID: "vpc-2"}}}
	a.Write()
	s.put(t, func(tx *Tx) error { return tx.AddAlert(a) })
	got := s.listed(t)["alrt_1"]
	if got.AccountName != "payments-prod" || got.FlowLogs[0].ResourceName != "main" || got.FlowLogs[1].ResourceName != "" {
		t.Errorf("%+v", got)
	}
	if want := "Deleted: 2 flow logs in payments-prod (" + scope.Account + ") " + scope.Region; got.Title != want {
		t.Errorf("title %q, want %q", got.Title, want)
	}
	if a.FlowLogs[0].ResourceName != "" {
		t.Error("the caller's alert was changed")
	}
}

func TestResourceNamesAreReplaced(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	set := func(asked []string, names map[string]string) {
		t.Helper()
		if err := s.SetResourceNames(t.Context(), scope, asked, names); err != nil {
			t.Fatal(err)
		}
	}
	set([]string{"vpc-1", "vpc-2", "vpc-3"}, map[string]string{"vpc-1": "one", "vpc-2": "two"})
	set([]string{"vpc-2", "vpc-3"}, map[string]string{"vpc-3": "three"})
	got, err := s.ResourceNames(t.Context(), scope)
	if want := map[string]string{"vpc-1": "one", "vpc-3": "three"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if other, err := s.ResourceNames(t.Context(), inventory.Scope{Account: scope.Account, Region: "us-east-1"}); err != nil || len(other) > 0 {
		t.Errorf("of another Region: %v, %v", other, err)
	}
}

// TestLiveResources: LiveResources returns each resource of a live flow log once, in order, and only from rows beyond a
// given row.
func TestLiveResources(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	add := func(id, resource string, state inventory.State) {
		s.put(t, func(tx *Tx) error {
			f := flowLog(id)
			f.ResourceID = resource
			return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: id, State: state, FirstSeenAt: noon, WrittenAt: noon})
		})
	}
	add("fl-1", "vpc-2", inventory.Live)
	add("fl-2", "vpc-2", inventory.Live)
	add("fl-3", "vpc-1", inventory.Live)
	add("fl-4", "vpc-4", inventory.Gone)
	row, err := s.LastRow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add("fl-5", "vpc-5", inventory.Live)
	for name, c := range map[string]struct {
		row   int64
		after string
		limit int
		want  []string
	}{
		"all":              {0, "", 9, []string{"vpc-1", "vpc-2", "vpc-5"}},
		"limit":            {0, "", 2, []string{"vpc-1", "vpc-2"}},
		"after a resource": {0, "vpc-2", 9, []string{"vpc-5"}},
		"since a row":      {row, "", 9, []string{"vpc-5"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := s.LiveResources(t.Context(), scope, c.row, c.after, c.limit); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("after row %d and %q: %v, %v; want %v", c.row, c.after, got, err, c.want)
			}
		})
	}
}

func TestNamesKnown(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	check := func(wantAll time.Time, wantRow int64) {
		t.Helper()
		if all, row, err := s.NamesKnown(t.Context(), scope); err != nil || !all.Equal(wantAll) || row != wantRow {
			t.Errorf("%v, %d, %v; want %v, %d", all, row, err, wantAll, wantRow)
		}
	}
	check(time.Time{}, 0)
	for n, at := range []time.Time{noon, noon.Add(time.Hour)} {
		if err := s.SetNamesKnown(t.Context(), scope, at, int64(n)); err != nil {
			t.Fatal(err)
		}
		check(at, int64(n))
	}
}

// TestNamesOfNothingAreForgotten: Prune removes the names of resources that have no flow log in the snapshot, so the
// snapshot bounds the table.
func TestNamesOfNothingAreForgotten(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	f := flowLog("fl-1")
	s.put(t, func(tx *Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: "fl-1", State: inventory.Live, FirstSeenAt: noon, WrittenAt: noon})
	})
	all := map[string]string{f.ResourceID: "one", "vpc-gone": "gone"}
	if err := s.SetResourceNames(t.Context(), scope, slices.Collect(maps.Keys(all)), all); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ResourceNames(t.Context(), scope); err != nil || !maps.Equal(got, map[string]string{f.ResourceID: "one"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestNamesOfAccounts: if the configuration and the organisation both name an account, the name in the configuration
// counts.
func TestNamesOfAccounts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.accounts = map[string]string{"111122223333": "payments-prod"}
	if _, err := s.SetAccounts(t.Context(), listing(accountOf("111122223333", "other"), accountOf("444455556666", "audit"), accountOf("555566667777", ""))); err != nil {
		t.Fatal(err)
	}
	got, err := s.AccountNames(t.Context())
	if want := map[string]string{"111122223333": "payments-prod", "444455556666": "audit"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	s.put(t, func(tx *Tx) error {
		return tx.AddAlert(alert.Alert{ID: "alrt_2", Time: alert.Time{Time: noon}, Kind: alert.Tamper, Account: "444455556666"})
	})
	if name := s.listed(t)["alrt_2"].AccountName; name != "audit" {
		t.Errorf("the alert says %q", name)
	}
}

// TestWhatAWordMeans: a word that somebody types is the ID of a resource, or else the name of one or more resources.
// The ID of a replacement leads to the incident that it replaced.
func TestWhatAWordMeans(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, func(tx *Tx) error {
		var errs []error
		for id, root := range map[string]string{"fl-1": "fl-1", "fl-2": "fl-1", "fl-3": "fl-3"} {
			f := flowLog(id)
			f.ResourceID = "vpc-" + id
			errs = append(errs, tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: root, State: inventory.Live, FirstSeenAt: noon, WrittenAt: noon}))
		}
		return errors.Join(append(errs, tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", RootID: "fl-1", ResourceID: "vpc-9", State: incident.Restored, NewID: "fl-2", Known: true, DetectedAt: noon}))...)
	})
	asked := []string{"vpc-fl-1", "vpc-fl-2", "vpc-fl-3"}
	if err := s.SetResourceNames(t.Context(), scope, asked, map[string]string{"vpc-fl-1": "main", "vpc-fl-2": "main", "vpc-fl-3": "vpc-fl-1"}); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string][]string{"main": {"vpc-fl-1", "vpc-fl-2"}, "vpc-fl-1": {"vpc-fl-1"}, "vpc-9": {"vpc-9"}, "mai": nil, "": nil} {
		t.Run(fmt.Sprintf("%q", word), func(t *testing.T) {
			if got, err := s.Resources(t.Context(), word); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		})
	}
	for id, want := range map[string]string{"fl-2": "fl-1", "fl-1": "", "fl-3": "", "fl-404": ""} {
		t.Run(id, func(t *testing.T) {
			if i, ok, err := s.ReplacedBy(t.Context(), id); err != nil || i.FlowLogID != want || ok != (want != "") {
				t.Errorf("%s replaced %q, %v; want %q", id, i.FlowLogID, err, want)
			}
		})
	}
}

// TestAnAdoptedCopyBringsNoNamesOfResources: an attacker may have written the names in a copy. So they are dropped, and
// the next refresh asks AWS for all names.
func TestAnAdoptedCopyBringsNoNamesOfResources(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	vpc := s.row(t, "fl-1").ResourceID
	if err := errors.Join(s.SetResourceNames(t.Context(), scope, []string{vpc}, map[string]string{vpc: "forged"}), s.SetNamesKnown(t.Context(), scope, noon, 1)); err != nil {
		t.Fatal(err)
	}
	b, _ := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	names, err := b.ResourceNames(t.Context(), scope)
	all, row, kerr := b.NamesKnown(t.Context(), scope)
	if err := errors.Join(err, kerr); err != nil || len(names) > 0 || !all.IsZero() || row != 0 {
		t.Errorf("%v, known since %s up to row %d, %v", names, all, row, err)
	}
}
