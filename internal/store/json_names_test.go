package store

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/repeat"
)

// inJSON has the names of JSON fields that SQL reads, each with the types that have such a field.
var inJSON = map[string][]any{
	"Account":          {incidentKey{}, alert.Resource{}},
	"Region":           {incidentKey{}, alert.Resource{}},
	"ID":               {incidentKey{}, alert.Resource{}},
	"Adopted":          {incident.Incident{}},
	"NewID":            {incident.Incident{}},
	"Source":           {incident.Incident{}},
	"Claim":            {incident.Entry{}},
	"TokenUsed":        {incident.Event{}},
	"FirstSeenAt":      {inventory.Row{}},
	"Imported":         {inventory.Row{}},
	"Reason":           {rehearse.Rehearsal{}},
	"Held.Examples":    {repeat.Burst{}},
	"Held.Seen":        {repeat.Burst{}},
	"account":          {alert.Alert{}},
	"region":           {alert.Alert{}},
	"level":            {alert.Alert{}},
	"flow_logs":        {alert.Alert{}},
	"failed_flow_logs": {alert.Alert{}},
	"resource_id":      {alert.FlowLog{}},
}

// namesIn finds the names of JSON fields in SQL: `$.name`, or ->> 'name'.
var namesIn = regexp.MustCompile(`\$\.([A-Za-z_.]+)|->> '([A-Za-z_]+)'`)

// TestSQLReadsNamesThatTheTypesHave: if a field is renamed in Go, SQL reads NULL for its old name, without an error.
// The test leaves out the migrations: they read the names of earlier versions.
func TestSQLReadsNamesThatTheTypesHave(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, name := range files {
		if name == "schema.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namesIn.FindAllStringSubmatch(string(text), -1) {
			path := m[1] + m[2]
			read[path] = true
			if inJSON[path] == nil {
				t.Errorf("%s reads %s from JSON: add its type to inJSON", name, path)
			}
		}
	}
	for path, types := range inJSON {
		if !read[path] {
			t.Errorf("no SQL reads %s: remove it from inJSON", path)
		}
		for _, v := range types {
			if !hasName(reflect.TypeOf(v), strings.Split(path, ".")) {
				t.Errorf("%T has no %s in JSON", v, path)
			}
		}
	}
}

// hasName reports whether the JSON of a struct has a field at a path of names.
func hasName(of reflect.Type, path []string) bool {
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && name == path[0] {
			return len(path) == 1 || hasName(f.Type, path[1:])
		}
	}
	return false
}
