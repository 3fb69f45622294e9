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

// lintEnvironment is where cfn-lint is. It is there or the test fails, but where
// a person said SHORT=1.
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

// lint runs cfn-lint on templates, without a network, and returns what it
// complains of, by file.
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

// cfn-lint finds no fault, warnings included, and would find one.
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

// checkLint wants cfn-lint to find nothing in what is clean, and something in
// each that is broken.
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
			t.Errorf("%s: no complaint", what)
		}
	}
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// within is a template around a policy, so that cfn-lint reads that too: it
// knows IAM's language and the actions of every service.
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

// policies are the files of them.
func policies(t *testing.T) []string {
	t.Helper()
	out := slices.Concat(named(t, "iam-policy", ".json"), named(t, "scp-", ".json"), named(t, "queue-policy", ".json"), named(t, "bucket-policy", ".json"))
	if len(out) < 5 {
		t.Fatalf("only %v", out)
	}
	return out
}

// Every policy is in IAM's language, and every action in it exists.
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

// An action in a policy binds nothing unless the statement names a resource of
// a kind that AWS asks that action for, and some are asked for none: these need
// a *. A Deny that misses this looks well and denies nothing.
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
					t.Errorf("%s, %s: no resource of %s is in %v; of none at all means that it needs a *", name, s.Sid, action, s.Resource)
				}
			}
		}
	}
	if bus := []string{"arn:aws:events:*:*:event-bus/default"}; aws.asks(t, "events:RemovePermission", bus) || !aws.asks(t, "events:PutEvents", bus) {
		t.Error("the check can't tell the two apart")
	}
}

// catalogue is AWS's services, with their actions and what each is asked for, as
// cfn-lint brings them.
type catalogue map[string]struct {
	Actions   map[string]struct{ Resources oneOrMore }
	Resources map[string]struct{ ARNFormats []string }
}

func actionsOfAWS(t *testing.T) (out catalogue) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(lintEnvironment(t), "lib", "python3*", "site-packages", "cfnlint", "data", "AdditionalSpecs", "Policies.json"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("cfn-lint has its list of actions in %q: it was one file once, see test/deploy/requirements.txt", files)
	}
	must(t, json.Unmarshal(read(t, files[0]), &out))
	return out
}

// asks reports whether AWS asks an action for any of some resources.
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

// maxSCP is what AWS takes of a service control policy, in characters with
// all white space, which docs/setup.md leaves out.
const maxSCP = 5120

// stackSets is the role by which service-managed StackSets make, update and delete their stacks
// in each account. Its sessions have no MFA.
const stackSets = "arn:aws:iam::*:role/stacksets-exec-*"

// A service control policy has a limit of its own, and no principals. Each of
// these denies, and spares somebody: one without a condition would bind the
// people who must repair things too. Without MFA it spares StackSets alone.
func TestServiceControlPolicies(t *testing.T) {
	t.Parallel()
	for _, name := range named(t, "scp-", ".json") {
		text := read(t, filepath.Join(folder, name))
		// docs/setup.md leaves out the spaces, and people put in names as long as IAM and Identity Center have them.
		var compact bytes.Buffer
		must(t, json.Compact(&compact, text))
		long := regexp.MustCompile(`YOUR-[A-Z-]+`).ReplaceAll(compact.Bytes(), []byte("aws-reserved/sso.amazonaws.com*/AWSReservedSSO_"+strings.Repeat("n", 32)+"_*"))
		if n := len([]rune(string(long))); n > maxSCP {
			t.Errorf("%s has %d characters with long names, AWS takes %d", name, n, maxSCP)
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

// What the administrator may do, they may do with MFA only: every statement that exempts them
// has a twin that exempts no principal without MFA.
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
