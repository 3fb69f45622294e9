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

// prefixes of permissions, if they differ from the name of the SDK's package.
var prefixes = map[string]string{"eventbridge": "events", "cloudwatchlogs": "logs"}

// people may make these calls with a command, and need a policy of their own; the daemon's role does not allow
// them.
var people = map[string]string{"sqs:SendMessage": "replay --send", "s3:ListBucket": "replay s3://"}

// notOurs are packages of the binary that do not act for Flowkeeper: they play AWS, or the attacker of the demo.
var notOurs = []string{"flowkeeper/internal/fakeaws", "flowkeeper/internal/demo"}

// TestWhatCouldBeCalledIsInAPolicy reads the source: a policy allows each call in a package of the binary, so calls
// on paths that TestPoliciesAreWhatIsCalled does not take are covered, too. And the policies for the doctor and for
// people allow no call that the source does not have.
func TestWhatCouldBeCalledIsInAPolicy(t *testing.T) {
	t.Parallel()
	calls := callsInSource(t)
	daemon, doctor, replay := allowed(t, "iam-policy.json"), allowed(t, "iam-policy-doctor.json"), allowed(t, "iam-policy-replay.json")
	var stand []string
	for a, where := range calls {
		stand = append(stand, a)
		if !slices.Contains(daemon, a) && !slices.Contains(doctor, a) && people[a] == "" {
			t.Errorf("%s is called in %s, but no policy allows it", a, where)
		}
	}
	for a := range people {
		if calls[a] == "" || slices.Contains(daemon, a) || slices.Contains(doctor, a) || !slices.Contains(replay, a) {
			t.Errorf("%s is listed in people: want a command that calls it, and that only the policy for replay allows it", a)
		}
	}
	for name, policy := range map[string][]string{"iam-policy-doctor.json": doctor, "iam-policy-replay.json": replay} {
		for _, a := range policy {
			if !slices.Contains(stand, a) && unseen[a] == "" {
				t.Errorf("%s allows %s, which is called nowhere", name, a)
			}
		}
	}
	if len(calls) < 8 {
		t.Errorf("found only the calls %v in the source", calls)
	}
}

// callsInSource are the permissions of the calls in the binary's own packages, each with a file that makes it. Each
// call of the SDK has an Input named after it.
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

// sources are the files of this module that the binary is built from.
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
		t.Fatalf("found only %d files of the binary", len(files))
	}
	return files
}
