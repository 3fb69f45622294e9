package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const sdk = "github.com/aws/aws-sdk-go-v2/service/"

// prefixes of permissions, where they are not called as the SDK's package is.
var prefixes = map[string]string{"eventbridge": "events", "cloudwatchlogs": "logs"}

// people may call these with a command, by a policy of their own; the daemon's role may not.
var people = map[string]string{"sqs:SendMessage": "replay --send", "s3:ListBucket": "replay s3://"}

// notOurs are packages of the binary that play others: AWS, and the demo's
// attacker.
var notOurs = []string{"flowkeeper/internal/fakeaws", "flowkeeper/internal/demo"}

// TestWhatCouldBeCalledIsInAPolicy reads the source: every call that stands in
// a package of the binary is allowed by a policy, so that a path that
// TestPoliciesAreWhatIsCalled does not take hides nothing. And the policies for
// the doctor and for people allow nothing that the source does not call.
func TestWhatCouldBeCalledIsInAPolicy(t *testing.T) {
	t.Parallel()
	calls := callsInSource(t)
	daemon, doctor, replay := allowed(t, "iam-policy.json"), allowed(t, "iam-policy-doctor.json"), allowed(t, "iam-policy-replay.json")
	var stand []string
	for a, where := range calls {
		stand = append(stand, a)
		if !slices.Contains(daemon, a) && !slices.Contains(doctor, a) && people[a] == "" {
			t.Errorf("%s is called in %s, and allowed by no policy", a, where)
		}
	}
	for a := range people {
		if calls[a] == "" || slices.Contains(daemon, a) || slices.Contains(doctor, a) || !slices.Contains(replay, a) {
			t.Errorf("%s is nothing that only people call, and may", a)
		}
	}
	for name, policy := range map[string][]string{"iam-policy-doctor.json": doctor, "iam-policy-replay.json": replay} {
		for _, a := range policy {
			if !slices.Contains(stand, a) && unseen[a] == "" {
				t.Errorf("%s: %s is called nowhere", name, a)
			}
		}
	}
	if len(calls) < 8 {
		t.Errorf("only %v found", calls)
	}
}

// callsInSource are the permissions of the calls in the binary's own packages,
// each with a file: every SDK call takes an Input of its name.
func callsInSource(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range sources(t) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		must(t, err)
		services := services(t, f)
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			operation, input := strings.CutSuffix(sel.Sel.Name, "Input")
			if service := services[pkgName(pkg, ok)]; service != "" && input {
				if a := action(service, operation); a != "" {
					out[a] = file
				}
			}
			return true
		})
	}
	return out
}

func pkgName(id *ast.Ident, ok bool) string {
	if !ok {
		return ""
	}
	return id.Name
}

// services that a file imports, by the name that it gives them.
func services(t *testing.T, f *ast.File) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		must(t, err)
		if !strings.HasPrefix(imported, sdk) || strings.Contains(strings.TrimPrefix(imported, sdk), "/") {
			continue
		}
		name := path.Base(imported)
		service := name
		if p := prefixes[name]; p != "" {
			service = p
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out[name] = service
	}
	return out
}

// sources are the files that the binary is built from, ours only.
func sources(t *testing.T) (files []string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{range .GoFiles}}{{$.ImportPath}} {{$.Dir}}/{{.}}{{"\n"}}{{end}}`, "flowkeeper/cmd/flowkeeper")
	text, err := list.Output()
	must(t, err)
	for line := range strings.Lines(string(text)) {
		pkg, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(pkg, "flowkeeper/") && !slices.Contains(notOurs, pkg) {
			files = append(files, file)
		}
	}
	if len(files) < 50 {
		t.Fatalf("only %d files", len(files))
	}
	return files
}
