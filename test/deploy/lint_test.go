package deploy_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flowkeeper/test/python"
)

//go:embed requirements.txt
var requirements string

var environment = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return python.Environment(ctx, "cfn-lint", requirements, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
})

// lintEnvironment is the Python environment with cfn-lint. Without it the test fails, unless a person set SHORT=1.
func lintEnvironment(t *testing.T) string {
	t.Helper()
	if os.Getenv("SHORT") == "1" {
		t.Skip("SHORT=1: left out, as it needs Python")
	}
	dir, err := environment()
	if err != nil {
		t.Fatalf("%v; install Python 3.13 with its venv module, or uv, which brings one (pip install uv)", err)
	}
	return dir
}

// lint runs cfn-lint on templates, without a network, and returns the problems that it reports, by file.
func lint(t *testing.T, files ...string) map[string][]string {
	t.Helper()
	dir := lintEnvironment(t)
	cmd := exec.CommandContext(t.Context(), python.Program(dir, "cfn-lint"), append([]string{"--format", "parseable", "--"}, files...)...)
	for _, key := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
		cmd.Env = append(cmd.Env, key+"=http://127.0.0.1:9") // the discard port: nothing answers
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	out := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if file, complaint, ok := strings.Cut(line, ":"); ok {
			out[file] = append(out[file], strings.TrimSpace(complaint))
		}
	}
	if (err != nil) != (len(out) > 0) || stderr.Len() > 0 {
		t.Fatalf("cfn-lint: %v\n%s%s", err, text, stderr.Bytes())
	}
	return out
}

// TestTemplatesAreClean: cfn-lint reports no problem, not even a warning, in the templates, but reports one in
// templates that are broken on purpose.
func TestTemplatesAreClean(t *testing.T) {
	t.Parallel()
	var clean []string
	for _, name := range templates {
		clean = append(clean, templatePath(name))
	}
	whole := string(read(t, templatePath("flowkeeper.yaml")))
	broken := map[string]string{}
	for what, change := range map[string][2]string{
		"a property that no queue has": {"VisibilityTimeout:", "VisibleTimeout:"},
		"a reference to nothing":       {"!GetAtt Rule.Arn", "!GetAtt Rules.Arn"},
		"a parameter that nobody uses": {"Parameters:\n", "Parameters:\n  Spare:\n    Type: String\n"},
		"an action that nobody has":    {"sqs:ReceiveMessage", "sqs:ReceiveMessages"},
	} {
		broken[written(t, strings.Replace(whole, change[0], change[1], 1))] = what
	}
	checkLint(t, clean, broken)
}

// checkLint wants cfn-lint to report nothing in the clean files, and something in each broken one.
func checkLint(t *testing.T, clean []string, broken map[string]string) {
	t.Helper()
	found := lint(t, slices.Concat(clean, slices.Collect(maps.Keys(broken)))...)
	for _, file := range clean {
		if found[file] != nil {
			t.Errorf("%s:\n%s", file, strings.Join(found[file], "\n"))
		}
	}
	for file, what := range broken {
		if found[file] == nil {
			t.Errorf("cfn-lint reports no problem, want one about %s", what)
		}
	}
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// within is a template around a policy, so that cfn-lint checks the policy too: it knows the language of IAM and
// the actions of each service.
func within(t *testing.T, name string, text []byte) string {
	t.Helper()
	kind, properties := "AWS::IAM::ManagedPolicy", map[string]any{"PolicyDocument": json.RawMessage(text)}
	if strings.HasPrefix(name, "queue-policy") {
		kind, properties["Queues"] = "AWS::SQS::QueuePolicy", []string{"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper"}
	}
	if strings.HasPrefix(name, "bucket-policy") {
		kind, properties["Bucket"] = "AWS::S3::BucketPolicy", "your-backup-bucket"
	}
	whole, err := json.Marshal(map[string]any{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Resources":                map[string]any{"Policy": map[string]any{"Type": kind, "Properties": properties}},
	})
	must(t, err)
	return written(t, string(whole))
}

// policies are the files with policies.
func policies(t *testing.T) []string {
	t.Helper()
	out := slices.Concat(named(t, "iam-policy", ".json"), named(t, "scp-", ".json"), named(t, "queue-policy", ".json"), named(t, "bucket-policy", ".json"))
	if len(out) < 5 {
		t.Fatalf("deploy/ has only the policies %v", out)
	}
	return out
}

// TestPoliciesAreClean: every policy is valid in IAM's language, and every action in it exists.
func TestPoliciesAreClean(t *testing.T) {
	t.Parallel()
	var clean []string
	broken := map[string]string{}
	for _, name := range policies(t) {
		text := read(t, filepath.Join(folder, name))
		clean = append(clean, within(t, name, text))
		action := regexp.MustCompile(`"[a-z0-9]+:[A-Z][a-z]+[A-Z]`)
		broken[within(t, name, action.ReplaceAll(text, []byte("${0}Mis")))] = name + " with actions that nobody has"
		broken[within(t, name, bytes.Replace(text, []byte(`"Effect": "`), []byte(`"Effect": "Not`), 1))] = name + " with an effect that is none"
	}
	checkLint(t, clean, broken)
}

// TestPoliciesNameWhatTheirActionsAreAskedFor: a statement names, for each of its actions, a resource of a type
// that AWS checks this action against. Some actions are checked against none: they need a *. A Deny without such a
// resource looks right, and denies nothing.
func TestPoliciesNameWhatTheirActionsAreAskedFor(t *testing.T) {
	t.Parallel()
	aws := actionsOfAWS(t)
	for _, name := range policies(t) {
		for _, s := range readPolicy(t, name).Statement {
			if slices.Contains(s.Resource, "*") {
				continue
			}
			for _, action := range s.Action {
				if !strings.HasSuffix(action, ":*") && !aws.asks(t, action, s.Resource) {
					t.Errorf("%s, %s: AWS checks %s against none of the resources %v; name one of its types, or * if it has none", name, s.Sid, action, s.Resource)
				}
			}
		}
	}
	if bus := []string{"arn:aws:events:*:*:event-bus/default"}; aws.asks(t, "events:RemovePermission", bus) || !aws.asks(t, "events:PutEvents", bus) {
		t.Error("asks is wrong: AWS checks events:PutEvents against an event bus, and events:RemovePermission against no resource")
	}
}

// catalogue has the services of AWS, with their actions and the types of resources that each is checked against. It
// comes with cfn-lint.
type catalogue map[string]struct {
	Actions   map[string]struct{ Resources oneOrMore }
	Resources map[string]struct{ ARNFormats []string }
}

func actionsOfAWS(t *testing.T) (out catalogue) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(lintEnvironment(t), "lib", "python3*", "site-packages", "cfnlint", "data", "AdditionalSpecs", "Policies.json"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("cfn-lint has its list of actions in %q, want one file, as in the version of test/deploy/requirements.txt", files)
	}
	must(t, json.Unmarshal(read(t, files[0]), &out))
	return out
}

// asks reports whether AWS checks an action against a type of one of these resources.
func (c catalogue) asks(t *testing.T, action string, resources []string) bool {
	t.Helper()
	service, verb, _ := strings.Cut(strings.ToLower(action), ":")
	known, ok := c[service].Actions[verb]
	if !ok {
		t.Fatalf("no action %s", action)
	}
	for _, kind := range known.Resources {
		for _, format := range c[service].Resources[strings.ToLower(kind)].ARNFormats {
			arn := regexp.MustCompile("^" + regexp.MustCompile(`\$\{\w+\}`).ReplaceAllString(format, "[^:]*") + "$")
			if slices.ContainsFunc(resources, arn.MatchString) {
				return true
			}
		}
	}
	return false
}

// maxSCP is how many characters a service control policy may have, with all white space. docs/setup.md removes the
// white space.
const maxSCP = 5120

// stackSets is the role by which service-managed StackSets change their stacks in each account. Its sessions have
// no MFA.
const stackSets = "arn:aws:iam::*:role/stacksets-exec-*"

// TestServiceControlPolicies: a policy is not longer than AWS allows, and names no principals, which it can't. Each
// statement denies, and exempts somebody: one without a condition would also stop the people who must repair
// things. Without MFA only StackSets is exempt.
func TestServiceControlPolicies(t *testing.T) {
	t.Parallel()
	for _, name := range named(t, "scp-", ".json") {
		text := read(t, filepath.Join(folder, name))
		// docs/setup.md removes the spaces, and people insert names as long as IAM and Identity Center allow.
		var compact bytes.Buffer
		must(t, json.Compact(&compact, text))
		long := regexp.MustCompile(`YOUR-[A-Z-]+`).ReplaceAll(compact.Bytes(), []byte("aws-reserved/sso.amazonaws.com*/AWSReservedSSO_"+strings.Repeat("n", 32)+"_*"))
		if n := len([]rune(string(long))); n > maxSCP {
			t.Errorf("%s has %d characters with long names, want at most %d", name, n, maxSCP)
		}
		if strings.Contains(string(text), "Principal\"") {
			t.Errorf("%s names a principal: a service control policy can't", name)
		}
		for _, s := range readPolicy(t, name).Statement {
			noMFA := len(s.Condition["BoolIfExists"]["aws:MultiFactorAuthPresent"]) == 1
			spared := slices.DeleteFunc(slices.Clone(s.spared()), func(arn string) bool { return noMFA && arn == stackSets })
			conditions := 0
			for operator, keys := range s.Condition {
				conditions += len(keys)
				if noMFA && operator == "ArnNotLike" && len(keys) == 1 {
					conditions--
				}
			}
			if s.Effect != "Deny" || conditions != 1 || (len(spared) > 0) == noMFA {
				t.Errorf("%s, %s: want it to deny to all but a role, or to all without MFA; it is %+v", name, s.Sid, s)
			}
		}
	}
}

// TestTheAdminNeedsMFA: administrators may do what is denied to others only with MFA. Every statement that exempts
// them has a second one that exempts no principal without MFA.
func TestTheAdminNeedsMFA(t *testing.T) {
	t.Parallel()
	for _, name := range named(t, "scp-", ".json") {
		statements := map[string]statement{}
		for _, s := range readPolicy(t, name).Statement {
			statements[s.Sid] = s
		}
		for sid, s := range statements {
			if !slices.Contains(s.spared(), "arn:aws:iam::*:role/YOUR-ADMIN-ROLE") {
				continue
			}
			twin := statements[sid+"WithoutMFA"]
			if twin.Condition["BoolIfExists"]["aws:MultiFactorAuthPresent"] == nil {
				t.Errorf("%s: no statement %sWithoutMFA that asks for MFA", name, sid)
			}
			same(t, name+", actions of "+sid+"WithoutMFA", twin.Action, s.Action)
			same(t, name+", resources of "+sid+"WithoutMFA", twin.Resource, s.Resource)
		}
	}
}
