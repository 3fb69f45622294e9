package alert

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestRunbook: docs/alerts.md tells what to do about each kind, and each
// reason that an alert may give.
func TestRunbook(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, k := range []Kind{Deletion, Attempt, Restored, Closed, Blocked, Decoy, Flapping, Tamper, Pipeline, Destination, Test} {
		if !strings.Contains(text, "\n## "+string(k)+"\n") {
			t.Errorf("nothing about %s", k)
		}
	}
	for _, reason := range []string{"permission", "destination", "role", "limit", "decoy", "invalid", "credentials", "account", "refused"} {
		if !strings.Contains(text, "\n| `"+reason+"` |") {
			t.Errorf("nothing about what is blocked by %s", reason)
		}
	}
	for _, reason := range []string{"resource_gone", "replaced", "released", "still_there"} {
		if !strings.Contains(text, "\n| "+closedBecause(reason)+" |") {
			t.Errorf("nothing about what is closed because %q", closedBecause(reason))
		}
	}
}

// TestEveryFieldIsDocumented: docs/alerts.md has each field of the JSON, under the
// heading of that.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## The JSON\n")
	seen := map[reflect.Type]bool{}
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		for f := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(f).Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("nothing about %s of %s", name, typ.Name())
			}
			check(typ.Field(f).Type)
		}
	}
	check(reflect.TypeFor[Alert]())
}
