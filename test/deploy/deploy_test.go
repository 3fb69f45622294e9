// Package deploy_test holds what is in deploy/ to account: the templates are
// linted and really deployed, on LocalStack; the policies allow what Flowkeeper
// calls, and nothing else.
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

// folder is what a user applies in AWS.
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

// at follows keys down the tree; nil where there is nothing.
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

// policy is a policy's document, as far as the tests ask.
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

// spared are those to whom a statement that denies does not.
func (s statement) spared() []string { return s.Condition["ArnNotLike"]["aws:PrincipalArn"] }

// oneOrMore is how IAM's policies write a list: one thing may stand alone.
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

// allowed are the actions that a policy's file allows.
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

// allowedIn are the actions that a resource of a template may allow, all
// conditions met; property holds its policies.
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

// same wants two sets to be equal, and names what is in one of them only.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, a := range got {
		if !slices.Contains(want, a) {
			t.Errorf("%s: %s is too much", what, a)
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

// named are the files of deploy/ whose names begin and end so.
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

// patience is for one step of a daemon, on a machine that has other things to
// do.
const patience = 90 * time.Second

// await tries until check is content, and fails with its last complaint.
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

// so turns a condition into a check.
func so(what string, is func() bool) func() error {
	return func() error {
		if is() {
			return nil
		}
		return errors.New("still waiting for " + what)
	}
}
