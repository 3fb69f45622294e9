package exportfile

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/inventory"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const head = `{"flowkeeper_export":1}` + "\n"

const goodRow = `{"flow_log_id":"fl-0000000a","account":"111122223333","region":"eu-west-1","resource_id":"vpc-1","state":"live","protected":true,"log_destination":"arn:aws:s3:::b"}`

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	with := func(from, to string) string { return head + strings.Replace(goodRow, from, to, 1) }
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "it is empty"},
		{"no head", goodRow, "not an export"},
		{"a newer format", `{"flowkeeper_export":2}`, "format 2"},
		{"no JSON", head + "x", "line 2"},
		{"an unknown key", with(`"state"`, `"colour":"red","state"`), "colour"},
		{"two objects", head + goodRow + goodRow, "more than one"},
		{"no ID", with("fl-0000000a", "fl-xyz"), "flow_log_id"},
		{"a number for a text", with(`"account":"111122223333"`, `"account":1`), "not a flow log: account is a JSON number"},
		{"a wrong root", with(`"account"`, `"root_flow_log_id":"x","account"`), "root_flow_log_id"},
		{"a wrong account", with("111122223333", "1"), "twelve digits"},
		{"a wrong Region", with("eu-west-1", "EU"), "region"},
		{"a wrong resource", with("vpc-1", "i-1"), "resource_id"},
		{"a wrong state", with(`"live"`, `"dead"`), "state"},
		{"no destination", with(`,"log_destination":"arn:aws:s3:::b"`, ""), "log_destination"},
		{"a wrong type of traffic", with(`"state"`, `"traffic_type":"SOME","state"`), "traffic_type"},
		{"a wrong interval", with(`"state"`, `"max_aggregation_interval":-60,"state"`), "60 or 600"},
		{"a wrong format", with(`"state"`, `"log_format":"srcaddr","state"`), "log_format"},
		{"a wrong file format", with(`"state"`, `"destination_options":{"file_format":"csv"},"state"`), "file_format"},
		{"a wrong type of destination", with(`"state"`, `"log_destination_type":"tape","state"`), "log_destination_type"},
		{"a destination of another type", with(`"state"`, `"log_destination_type":"kinesis-data-firehose","state"`), "log_destination \"arn:aws:s3:::b\""},
		{"no ARN", with("arn:aws:s3:::b", "s3://b"), "log_destination"},
		{"a role's name, not its ARN", with(`"state"`, `"deliver_logs_permission_arn":"flow-logs","state"`), "role's ARN"},
		{"one flow log twice", head + goodRow + "\n" + goodRow, "line 3: fl-0000000a is in line 2"},
		{"a line without end", head + `{"flow_log_id":"` + strings.Repeat("a", maxLine) + `"}`, "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, problems := Read(strings.NewReader(c.in), anywhere, nil, noon)
			if len(rows) > 0 || len(problems) == 0 || !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("%d rows, %q", len(rows), problems)
			}
		})
	}
}

// anywhere says that every scope is watched.
func anywhere(inventory.Scope) error { return nil }

// TestImportRefusesWhatIsNotWatchedHere: an import refuses flow logs of scopes that are not watched, because no refresh
// would ever update them.
func TestImportRefusesWhatIsNotWatchedHere(t *testing.T) {
	t.Parallel()
	_, problems := Read(strings.NewReader(head+goodRow), func(s inventory.Scope) error { return errors.New(s.String() + " is not") }, nil, noon)
	if want := []string{"line 2: 111122223333/eu-west-1 is not"}; !slices.Equal(problems, want) {
		t.Errorf("%q", problems)
	}
}

// TestImportReportsManyProblemsButNotAll: an import reports many problems at once, but at most maxProblems.
func TestImportReportsManyProblemsButNotAll(t *testing.T) {
	t.Parallel()
	if _, p := Read(strings.NewReader(head+"x\n"+goodRow+"\ny\n"), anywhere, nil, noon); len(p) != 2 {
		t.Errorf("%q", p)
	}
	if _, p := Read(strings.NewReader(head+strings.Repeat("x\n", 1000)), anywhere, nil, noon); len(p) != maxProblems {
		t.Errorf("%d problems, want %d", len(p), maxProblems)
	}
}

// TestImportProtectsOnlyWhatMayBe: an imported flow log is protected only if inventory.destinations allows its
// destination.
func TestImportProtectsOnlyWhatMayBe(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{"arn:aws:s3:::*": true, "arn:aws:s3:::other": false} {
		rows, problems := Read(strings.NewReader(head+goodRow), anywhere, []string{pattern}, noon)
		if len(problems) > 0 || rows[0].Protected != want || rows[0].Excluded == want {
			t.Errorf("%s: %+v, %q", pattern, rows, problems)
		}
	}
}

// TestSettingsRoundTrip: an export loses no setting. The test draws all fields of inventory.Settings, so it also covers
// those that are added later.
func TestSettingsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Make[inventory.Settings]().Draw(t, "settings")
		if got := New(inventory.Row{FlowLog: inventory.FlowLog{Settings: want}}).settings(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
