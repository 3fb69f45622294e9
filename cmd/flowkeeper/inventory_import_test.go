package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/store"
)

const importHead = `{"flowkeeper_export":1}` + "\n"

const goodRow = `{"flow_log_id":"fl-0000000a","account":"111122223333","region":"eu-west-1","resource_id":"vpc-1","state":"live","protected":true,"log_destination":"arn:aws:s3:::b"}`

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	with := func(from, to string) string { return importHead + strings.Replace(goodRow, from, to, 1) }
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "it is empty"},
		{"no head", goodRow, "not an export"},
		{"a newer format", `{"flowkeeper_export":2}`, "format 2"},
		{"no JSON", importHead + "x", "line 2"},
		{"an unknown key", with(`"state"`, `"colour":"red","state"`), "colour"},
		{"two objects", importHead + goodRow + goodRow, "more than one"},
		{"no ID", with("fl-0000000a", "fl-xyz"), "flow_log_id"},
		{"a wrong root", with(`"account"`, `"root_flow_log_id":"x","account"`), "root_flow_log_id"},
		{"an account", with("111122223333", "1"), "twelve digits"},
		{"a Region", with("eu-west-1", "EU"), "region"},
		{"a resource", with("vpc-1", "i-1"), "resource_id"},
		{"a state", with(`"live"`, `"dead"`), "state"},
		{"no destination", with(`,"log_destination":"arn:aws:s3:::b"`, ""), "log_destination"},
		{"a type of traffic", with(`"state"`, `"traffic_type":"SOME","state"`), "traffic_type"},
		{"an interval", with(`"state"`, `"max_aggregation_interval":-60,"state"`), "60 or 600"},
		{"a format", with(`"state"`, `"log_format":"srcaddr","state"`), "log_format"},
		{"a file format", with(`"state"`, `"destination_options":{"file_format":"csv"},"state"`), "file_format"},
		{"a type of destination", with(`"state"`, `"log_destination_type":"tape","state"`), "log_destination_type"},
		{"a destination of another type", with(`"state"`, `"log_destination_type":"kinesis-data-firehose","state"`), "log_destination \"arn:aws:s3:::b\""},
		{"no ARN", with("arn:aws:s3:::b", "s3://b"), "log_destination"},
		{"a role", with(`"state"`, `"deliver_logs_permission_arn":"flow-logs","state"`), "role's ARN"},
		{"one flow log twice", importHead + goodRow + "\n" + goodRow, "line 3: fl-0000000a is in line 2"},
		{"a line without end", importHead + `{"flow_log_id":"` + strings.Repeat("a", maxImportLine) + `"}`, "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, problems := readExport(strings.NewReader(c.in), watchedScopes{}, nil, noon)
			if len(rows) > 0 || len(problems) == 0 || !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("%d rows, %q", len(rows), problems)
			}
		})
	}
}

// TestImportRefusesWhatIsNotWatchedHere: it would never be refreshed.
func TestImportRefusesWhatIsNotWatchedHere(t *testing.T) {
	t.Parallel()
	for want, here := range map[string]watchedScopes{
		"":                                       {accounts: []string{"111122223333"}, regions: []string{"eu-west-1", "us-east-1"}},
		"account 111122223333 is not watched":    {accounts: []string{"444455556666"}},
		"region eu-west-1 is not watched here (": {accounts: []string{"111122223333"}, regions: []string{"us-east-1"}},
	} {
		_, problems := readExport(strings.NewReader(importHead+goodRow), here, nil, noon)
		if got := strings.Join(problems, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%+v: %q", here, got)
		}
	}
}

// TestImportTellsManyProblemsButNotAll: it prints many problems at once, but not
// without limit.
func TestImportTellsManyProblemsButNotAll(t *testing.T) {
	t.Parallel()
	if _, p := readExport(strings.NewReader(importHead+"x\n"+goodRow+"\ny\n"), watchedScopes{}, nil, noon); len(p) != 2 {
		t.Errorf("%q", p)
	}
	if _, p := readExport(strings.NewReader(importHead+strings.Repeat("x\n", 1000)), watchedScopes{}, nil, noon); len(p) != maxImportProblems {
		t.Errorf("%d problems", len(p))
	}
}

// TestImportProtectsOnlyWhatMayBe: inventory.destinations holds for imported
// flow logs too.
func TestImportProtectsOnlyWhatMayBe(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{"arn:aws:s3:::*": true, "arn:aws:s3:::other": false} {
		rows, problems := readExport(strings.NewReader(importHead+goodRow), watchedScopes{}, []string{pattern}, noon)
		if len(problems) > 0 || rows[0].Protected != want || rows[0].Excluded == want {
			t.Errorf("%s: %+v, %q", pattern, rows, problems)
		}
	}
}

// TestExportRoundTrip: what one state file exports, another one imports, and
// exports the same.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	first, second := newState(t), newState(t)
	if err := first.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	a := testApp(&bytes.Buffer{})
	export := func(s *store.Store) string {
		var b bytes.Buffer
		if _, err := writeExport(context.Background(), a, s, &b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := export(first)
	rows, problems := readExport(strings.NewReader(text), watchedScopes{}, nil, noon)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if n, err := second.Import(t.Context(), rows); err != nil || n != len(rows) {
		t.Fatalf("%d of %d, %v", n, len(rows), err)
	}
	if diff := cmp.Diff(text, export(second)); diff != "" {
		t.Error(diff)
	}
	if n, err := second.Import(t.Context(), rows); err != nil || n != 0 {
		t.Errorf("imported again: %d, %v", n, err)
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
