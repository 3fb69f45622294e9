package alert_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// TestRunbook: docs/alerts.md has a section about each kind.
func TestRunbook(t *testing.T) {
	t.Parallel()
	text := alertsPage(t)
	for _, k := range alerttest.Kinds {
		if documented := strings.Contains(text, "\n## "+string(k)+"\n"); documented != (k != alerttest.UnknownKind) {
			t.Errorf("docs/alerts.md has a section about %s: %v", k, documented)
		}
	}
}

// alertsPage is docs/alerts.md.
func alertsPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryFieldIsDocumented: docs/alerts.md has each field of the JSON, in its section
// about the JSON.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(alertsPage(t), "\n## The JSON\n")
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
				t.Errorf("%s of %s is not documented", name, typ.Name())
			}
			check(field.Type)
		}
	}
	check(reflect.TypeFor[alert.Alert]())
}
