package alert_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"flowkeeper/alert"
)

// TestRunbook: docs/alerts.md tells what to do about each kind.
func TestRunbook(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, k := range []alert.Kind{alert.Deletion, alert.Attempt, alert.Restored, alert.Closed, alert.Blocked, alert.Decoy, alert.Flapping, alert.Tamper, alert.Pipeline, alert.Destination, alert.Test} {
		if !strings.Contains(text, "\n## "+string(k)+"\n") {
			t.Errorf("nothing about %s", k)
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
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[alert.Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("nothing about %s of %s", name, typ.Name())
			}
			check(field.Type)
		}
	}
	check(reflect.TypeFor[alert.Alert]())
}
