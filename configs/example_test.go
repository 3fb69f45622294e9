package configs

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

// TestExampleEqualsDefaults: people read the example file as documentation, so its values must be the defaults: it
// loads to the same configuration as an empty file.
func TestExampleEqualsDefaults(t *testing.T) {
	t.Parallel()
	c, warnings, err := Load("flowkeeper.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	if d := cmp.Diff(Default(), c, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-default +example:\n%s", d)
	}
}

func TestNoFileMeansDefaults(t *testing.T) {
	t.Parallel()
	c, _, err := Load("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), c, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-default +loaded:\n%s", d)
	}
}

// TestExampleNamesEveryKey: the example sets every key outside of lists. The keys of list items are in its comments.
func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("flowkeeper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := yaml.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	var visit func(t reflect.Type, at string, in map[string]any)
	visit = func(of reflect.Type, at string, in map[string]any) { // in: the keys that the example sets here; nil: list items
		for f := range of.Fields() {
			key := f.Tag.Get("mapstructure")
			value, set := in[key]
			switch {
			case in != nil && !set:
				t.Errorf("the example does not set %s%s", at, key)
			case in == nil && !strings.Contains(string(text), key):
				t.Errorf("no comment of the example has %s%s", at, key)
			case f.Type.Kind() == reflect.Struct:
				section, _ := value.(map[string]any)
				visit(f.Type, at+key+".", section)
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				visit(f.Type.Elem(), at+key+"[].", nil)
			}
		}
	}
	visit(reflect.TypeFor[Config](), "", written)
}

// TestExampleCommentsLoad: the settings that the example has in comments must be valid when people remove the #.
func TestExampleCommentsLoad(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("flowkeeper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	drop := map[string]bool{"regions: []": true, "destinations: []": true, "depends_on: []": true, "principals: []": true, "accounts: []": true, `role_name: ""`: true, "include: []": true, "exclude: []": true, "buckets: []": true, "rules: []": true, "alerts: []": true, `url_file: ""`: true, `token_key_file: ""`: true}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		body := strings.TrimLeft(line, " ")
		if drop[body] {
			continue
		}
		if code, ok := strings.CutPrefix(body, "#"); ok && code != "" && !isProse(code) {
			line = line[:len(line)-len(body)] + code
		}
		out = append(out, line)
	}
	dir := t.TempDir()
	file := write(t, dir, "flowkeeper.yaml", strings.Join(out, "\n"))
	write(t, dir, "webhook-secret", goodWebhookSecret+"\n")
	write(t, dir, "slack-url", "https://hooks.slack.com/services/T0/B0/x\n")
	write(t, dir, "pager-key", goodRoutingKey+"\n")
	write(t, dir, "token-key", goodTokenKey+"\n")
	write(t, dir, "heartbeat-url", "https://monitor.example.com/ping/x\n")
	c, warnings, err := Load(file, Options{Environ: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("the example has a warning: %s", w)
	}
	if c.Heartbeat.URL == "" || c.Remediate.TokenKey != goodTokenKey || len(c.Inventory.Regions) != 2 || len(c.Inventory.Destinations) != 2 || len(c.Inventory.DependsOn) != 2 || len(c.Accounts) != 2 || len(c.Organization.Include) != 2 || len(c.LogFiles.Buckets) != 1 || len(c.Remediate.Rules) != 2 || len(c.Rehearsal.Principals) != 1 || len(c.Alerts) != 4 {
		t.Errorf("not every setting in the comments was loaded: %+v", c)
	}
}

// isProse reports whether a comment is text, not a setting that is commented out. A setting follows the # without a
// space. Its list items follow after at least two spaces, with a dash, or as keys after four spaces.
func isProse(afterHash string) bool {
	if !strings.HasPrefix(afterHash, " ") {
		return false
	}
	body := strings.TrimLeft(afterHash, " ")
	if len(afterHash)-len(body) < 2 {
		return true
	}
	if strings.HasPrefix(body, "- ") {
		return false
	}
	key, _, isKey := strings.Cut(body, ": ")
	return !isKey || len(afterHash)-len(body) != 4 || strings.Contains(key, " ")
}
