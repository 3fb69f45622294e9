package detection

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"flowkeeper/alert"
)

// order is the order in which rules are listed and exported.
var order = []string{
	"aws_vpc_flow_logs_deleted.yml",
	"aws_vpc_flow_logs_deletion_attempt_failed.yml",
	"aws_vpc_flow_logs_created.yml",
	"aws_cloudtrail_impaired.yml",
	"aws_cloudwatch_logs_impaired.yml",
	"aws_eventbridge_rule_impaired.yml",
	"aws_firehose_delivery_stream_impaired.yml",
	"aws_iam_delivery_role_impaired.yml",
	"aws_kms_key_disabled.yml",
	"aws_s3_log_bucket_impaired.yml",
	"aws_sqs_queue_impaired.yml",
}

func TestRules(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range Rules() {
		got = append(got, r.File)
	}
	if !slices.Equal(got, order) {
		t.Errorf("%q", got)
	}
	for file, want := range map[string]Rule{
		deletedFile:   {Title: "AWS VPC Flow Logs Deleted", Level: alert.High},
		attemptedFile: {Title: "AWS VPC Flow Logs Deletion Attempt Failed", Level: alert.Medium},
		createdFile:   {Title: "AWS VPC Flow Logs Created", Level: alert.Low},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			if r := ruleOf(file); r.Title != want.Title || r.Level != want.Level {
				t.Errorf("%+v", r)
			}
		})
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestRulesAreWhole: every rule has the fields that a responder and a SIEM need, and an ID and a title of its own.
func TestRulesAreWhole(t *testing.T) {
	t.Parallel()
	ids, titles := map[string]string{}, map[string]string{}
	for _, r := range Rules() {
		if !uuid.MatchString(r.ID) {
			t.Errorf("%s: %q is no random UUID", r.File, r.ID)
		}
		if ids[r.ID] != "" || titles[r.Title] != "" {
			t.Errorf("%s has the ID or title of %s", r.File, ids[r.ID]+titles[r.Title])
		}
		ids[r.ID], titles[r.Title] = r.File, r.File
		if !r.Level.AtLeast(alert.Informational) || r.Description == "" || len(r.FalsePositives) == 0 {
			t.Errorf("%s lacks a level, a description or false positives", r.File)
		}
		if !slices.Contains(r.Tags, "attack.defense-evasion") || !slices.Contains(r.Tags, "attack.t1562.008") {
			t.Errorf("%s: tags %q", r.File, r.Tags)
		}
		if !slices.ContainsFunc(r.References, func(s string) bool { return strings.HasPrefix(s, "https://docs.aws.amazon.com/") }) {
			t.Errorf("%s: references %q", r.File, r.References)
		}
		if _, err := Sigma(r.File); err != nil {
			t.Error(err)
		}
	}
}

func TestTamperRule(t *testing.T) {
	t.Parallel()
	for _, r := range Rules()[3:] {
		for _, name := range r.EventNames {
			if got, ok := tamperRule(r.EventSource, name); !ok || got != r.Rule {
				t.Errorf("%s of %s: %+v", name, r.EventSource, got)
			}
		}
	}
	for _, c := range [][2]string{{"ec2.amazonaws.com", "DeleteFlowLogs"}, {"ec2.amazonaws.com", "CreateFlowLogs"}, {"sqs.amazonaws.com", "DeleteRule"}, {"", ""}} {
		if r, ok := tamperRule(c[0], c[1]); ok {
			t.Errorf("%v: %+v", c, r)
		}
	}
}

// TestTamperRuleAllocatesNothing: the lookup is done for each record. The test is not parallel, because it counts the
// allocations of the whole process.
func TestTamperRuleAllocatesNothing(t *testing.T) {
	source, name := "logs.amazonaws.com", "DeleteLogGroup"
	if n := testing.AllocsPerRun(100, func() { tamperRule(source, name) }); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

// TestTheDocsListEveryRule: docs/detection.md has a row for each rule, with its title, level, events and file.
func TestTheDocsListEveryRule(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/detection.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		service, _, _ := strings.Cut(r.EventSource, ".")
		row := fmt.Sprintf("| %s | %s | `%s` %s | `%s` |\n", r.Title, r.Level, service, strings.Join(r.EventNames, ", "), r.File)
		if !strings.Contains(string(docs), row) {
			t.Errorf("docs/detection.md lacks %s", row)
		}
	}
}

// TestNoEventHasTwoRules: an event is in one rule only, because the lookup returns one rule for each event.
func TestNoEventHasTwoRules(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, r := range Rules()[3:] {
		for _, name := range r.EventNames {
			if other := seen[r.EventSource+name]; other != "" {
				t.Errorf("%s of %s is in %s and %s", name, r.EventSource, other, r.File)
			}
			seen[r.EventSource+name] = r.File
		}
	}
}

// TestACallerMayChangeWhatItGot: a caller of Rules may change the returned list without changing it for others.
func TestACallerMayChangeWhatItGot(t *testing.T) {
	t.Parallel()
	Rules()[0].Title = "another"
	if Rules()[0].Title == "another" {
		t.Error("the next caller gets the changed list")
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	whole := "id: a\ntitle: b\nlevel: high\ndetection:\n  selection:\n    eventSource: x\n    eventName: "
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":     {"a: [", "did not find"},
		"no selector": {"id: a\ntitle: b\nlevel: high\n", "needs id"},
		"no name":     {whole + "[]\n", "needs id"},
		"odd names":   {whole + "{a: b}\n", "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(fstest.MapFS{"rules/x.yml": {Data: []byte(c.text)}})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rules/x.yml") {
				t.Error(err)
			}
		})
	}
	c, err := load(fstest.MapFS{"rules/x.yml": {Data: []byte(whole + "y\n")}, "rules/z.yml": {Data: []byte(whole + "[z, v]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule{ID: "a", Title: "b", Level: "high"}
	if want := map[event]Rule{{"x", "v"}: rule, {"x", "y"}: rule, {"x", "z"}: rule}; !maps.Equal(c.tamper, want) {
		t.Errorf("%v", c.tamper)
	}
}
