package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/exportfile"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// TestExportRoundTrip: if a second state file imports the export of the first, its own export is the same. A second
// import adds nothing.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	first, second := newState(t), newState(t)
	if err := first.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	a := testApp(&bytes.Buffer{})
	export := func(s *store.Store) string {
		var b bytes.Buffer
		if _, err := writeExport(t.Context(), state{app: a, Store: s}, &b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := export(first)
	rows, problems := exportfile.Read(strings.NewReader(text), func(inventory.Scope) error { return nil }, nil, noon)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if n, err := second.Import(t.Context(), rows); err != nil || n != len(rows) {
		t.Fatalf("%d of %d rows are imported, %v", n, len(rows), err)
	}
	if diff := cmp.Diff(text, export(second)); diff != "" {
		t.Error(diff)
	}
	if n, err := second.Import(t.Context(), rows); err != nil || n != 0 {
		t.Errorf("a second import adds %d rows, want none, %v", n, err)
	}
}

// TestAFailedExportHasOneError: if the disk is full, an export prints one error, not one for each row.
func TestAFailedExportHasOneError(t *testing.T) {
	t.Parallel()
	s := newState(t)
	var rows []inventory.Row
	for n := range 100 {
		id := fmt.Sprintf("fl-%017x", n+1)
		rows = append(rows, inventory.Row{FlowLog: inventory.FlowLog{Scope: scope, ID: id}, RootID: id})
	}
	if _, err := s.Import(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if _, err := writeExport(t.Context(), state{app: testApp(&bytes.Buffer{}), Store: s}, full{}); err == nil || err.Error() != "no space left on device" {
		t.Errorf("%v", err)
	}
}

func newState(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
