// Package deploy_test checks the files of deploy/. The templates are linted, and deployed on LocalStack. The policies
// allow the calls that Flowkeeper makes, and no others.
package deploy_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"flowkeeper/test/localstack"
)

// shared is the LocalStack of this test process.
var shared localstack.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// folder has the files that users apply in AWS.
const folder = "../../deploy"

var (
	withRule  = []string{"flowkeeper.yaml", "flowkeeper-region.yaml", "flowkeeper-member.yaml"}
	templates = slices.Concat(withRule, []string{"flowkeeper-list.yaml", "flowkeeper-log-files.yaml"})
)

func templatePath(name string) string { return filepath.Join(folder, "cloudformation", name) }

// template is the YAML tree of a template.
func template(t *testing.T, name string) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	must(t, yaml.Unmarshal(read(t, templatePath(name)), &doc))
	return doc.Content[0]
}

// at follows keys down a tree; nil if one is missing.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var below *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				below = n.Content[i+1]
			}
		}
		n = below
	}
	return n
}

// walk calls visit for n and everything below it.
func walk(n *yaml.Node, visit func(*yaml.Node)) {
	if n == nil {
		return
	}
	visit(n)
	for _, c := range n.Content {
		walk(c, visit)
	}
}

// policy is a policy document, with the fields that the tests read.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect string
	Action      oneOrMore
	Resource    oneOrMore
	Condition   map[string]map[string]oneOrMore
}

// spared are the principals to whom a statement with the effect Deny does not apply.
func (s statement) spared() []string { return s.Condition["ArnNotLike"]["aws:PrincipalArn"] }

// oneOrMore is a list as IAM policies write it: a list of one may be a text.
type oneOrMore []string

func (l *oneOrMore) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var one string
	err := json.Unmarshal(b, &one)
	*l = oneOrMore{one}
	return err
}

func readPolicy(t *testing.T, name string) (p policy) {
	t.Helper()
	must(t, json.Unmarshal(read(t, filepath.Join(folder, name)), &p))
	return p
}

// allowed are the actions that the policy of a file allows.
func allowed(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, s := range readPolicy(t, name).Statement {
		if s.Effect == "Allow" {
			out = append(out, s.Action...)
		}
	}
	return sorted(out)
}

// allowedIn are the actions that a resource of a template allows if all its conditions hold. property has its
// policies.
func allowedIn(t *testing.T, name, resource, property string) []string {
	t.Helper()
	var out []string
	walk(at(template(t, name), "Resources", resource, "Properties", property), func(n *yaml.Node) {
		effect, action := at(n, "Effect"), at(n, "Action")
		if effect == nil || action == nil || effect.Value != "Allow" {
			return
		}
		walk(action, func(a *yaml.Node) {
			if a.Kind == yaml.ScalarNode {
				out = append(out, a.Value)
			}
		})
	})
	return sorted(out)
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

// same wants two sets to be equal, and reports what only one of them has.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, a := range got {
		if !slices.Contains(want, a) {
			t.Errorf("%s: %s is there, want it not to be", what, a)
		}
	}
	for _, a := range want {
		if !slices.Contains(got, a) {
			t.Errorf("%s: %s is missing", what, a)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// named are the files of deploy/ whose names begin and end with these texts.
func named(t *testing.T, prefix, suffix string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			out = append(out, e.Name())
		}
	}
	return out
}

// patience is how long one step of a daemon may take on a busy machine.
const patience = 90 * time.Second

// await calls check until it returns no error. If patience ends first, the test fails with the last error.
func await(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %s: %v", patience, err)
		case <-every.C:
		}
	}
}

// so is a check of a condition.
func so(what string, is func() bool) func() error {
	return func() error {
		if is() {
			return nil
		}
		return errors.New("still waiting for " + what)
	}
}
