// Package sigma_test checks that the Sigma files and the code judge records alike. The files are evaluated by an engine
// that is not ours: pySigma with SQLite.
package sigma_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/test/python"
)

//go:embed requirements.txt
var requirements string

var update = flag.Bool("update", false, "write testdata/table.txt anew")

var environment = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return python.Environment(ctx, "sigma", requirements, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
})

// tools is the Python environment with sigma-cli and pySigma. Without it the test fails, unless a person set
// SHORT=1.
func tools(t *testing.T) string {
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

// run runs a tool, without a network.
func run(t *testing.T, stdin []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	for _, key := range []string{"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		cmd.Env = append(cmd.Env, key+"=http://127.0.0.1:9") // the discard port: nothing answers
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", name, err, out, stderr.Bytes())
	}
	return out, err
}

// files are the rules that the binary holds, by file name.
func files(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range detection.Rules() {
		text, err := detection.Sigma(r.File)
		if err != nil {
			t.Fatal(err)
		}
		out[r.File] = string(text)
	}
	return out
}

// evaluate returns, for each set of files, which files match each record.
func evaluate(t *testing.T, records []record, sets map[string]map[string]string) map[string][][]string {
	t.Helper()
	asked := struct {
		Records []json.RawMessage            `json:"records"`
		Sets    map[string]map[string]string `json:"sets"`
	}{Sets: sets}
	for _, r := range records {
		asked.Records = append(asked.Records, r.raw)
	}
	in, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, in, python.Interpreter(tools(t)), "evaluate.py")
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string][][]string
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v in %.200s", err, out)
	}
	return answer
}

// judged is the file of the rule under which the code reports a record; empty: the code reports none.
func judged(t *testing.T, r record) string {
	t.Helper()
	decoded, err := cloudtrail.Decode(r.raw)
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	f, ok := detection.Judge(decoded)
	if !ok || f.Rule == (detection.Rule{}) {
		return ""
	}
	i := slices.IndexFunc(detection.Rules(), func(s detection.SigmaRule) bool { return s.Rule == f.Rule })
	if i < 0 {
		t.Fatalf("%s: the code reports it under %+v, which is no rule", r.name, f.Rule)
	}
	if !cloudtrail.Wanted(r.raw) {
		t.Errorf("%s: cloudtrail.Wanted drops the record before it is judged", r.name)
	}
	return detection.Rules()[i].File
}

// expected is what the files must say of a record if the code says code. Both say the same, with one exception:
// a Sigma rule can't know that AWS answered with 200 and did nothing.
func expected(r record, code string) string {
	if !r.nothingDone {
		return code
	}
	return map[string]string{"aws_vpc_flow_logs_deletion_attempt_failed.yml": "aws_vpc_flow_logs_deleted.yml", "": "aws_vpc_flow_logs_created.yml"}[code]
}

// TestFilesAndCodeAgree: the Sigma files and the code judge each record alike, except for records with
// nothingDone (see expected).
func TestFilesAndCodeAgree(t *testing.T) {
	t.Parallel()
	records := append(corpus(), combinations()...)
	for i, matched := range evaluate(t, records, map[string]map[string]string{"": files(t)})[""] {
		code := judged(t, records[i])
		if want := expected(records[i], code); strings.Join(matched, " ") != want {
			t.Errorf("%s: the code says %q, Sigma %q", records[i].name, code, matched)
		}
	}
	t.Logf("%d records", len(records))
}

// TestTable writes down how each record of the corpus is reported, so that people can read it and no change
// goes unseen. -update writes the table anew.
func TestTable(t *testing.T) {
	t.Parallel()
	title := map[string]string{"": "-"}
	for _, r := range detection.Rules() {
		title[r.File] = fmt.Sprintf("%s (%s)", r.Title, r.Level)
	}
	var b strings.Builder
	seen := map[string]bool{}
	fmt.Fprintf(&b, "%-72s %s\n", "RECORD", "REPORTED AS")
	for _, r := range corpus() {
		if seen[r.name] {
			t.Errorf("two records are called %q", r.name)
		}
		seen[r.name] = true
		code := judged(t, r)
		text := title[code]
		if want := expected(r, code); want != code {
			text += "; by the Sigma files " + title[want]
		}
		fmt.Fprintf(&b, "%-72s %s\n", r.name, text)
	}
	path := filepath.Join("testdata", "table.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the table differs from %s:\n%s\ngo test ./test/sigma -update writes it anew", path, firstDifference(string(want), b.String()))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "-" + w[i] + "\n+" + g[i]
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
