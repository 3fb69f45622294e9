package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	promise  = regexp.MustCompile(`^## (I\d+)\. `)
	testName = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	// A test with promises in its name: TestI4X, or TestI4I10X.
	ofPromises = regexp.MustCompile(`^(?:Test|Fuzz)((?:I\d+)+)[A-Z]`)
	oneOf      = regexp.MustCompile(`I\d+`)
)

// TestPromisesHaveTests: docs/invariants.md has promises I1 to I13, each with a table of what could break it. Each row
// names a test. testdata/invariants.txt has the tests of each promise: those that the tables name, all with the promise
// in their name, and others. All of them exist.
func TestPromisesHaveTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/invariants.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{} // "I4 TestX"
	exist := testsOfRepository(t)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if listed[line] {
			t.Errorf("testdata/invariants.txt has %q twice", line)
		}
		listed[line] = true
		if _, name, _ := strings.Cut(line, " "); !exist[name] {
			t.Errorf("testdata/invariants.txt has %q: there is no such test", line)
		}
	}
	for name := range exist {
		if m := ofPromises.FindStringSubmatch(name); m != nil {
			for _, p := range oneOf.FindAllString(m[1], -1) {
				if !listed[p+" "+name] {
					t.Errorf("testdata/invariants.txt lacks %q", p+" "+name)
				}
			}
		}
	}

	var promises []string
	rows := map[string]int{} // by promise
	p := ""                  // of the chapter; empty: the chapter has no promise
	for line := range strings.Lines(page(t, filepath.Join(root, "docs", "invariants.md"))) {
		if strings.HasPrefix(line, "## ") {
			p = ""
			if m := promise.FindStringSubmatch(line); m != nil {
				p = m[1]
				promises = append(promises, p)
			}
		}
		names := testName.FindAllStringSubmatch(line, -1)
		for _, n := range names {
			if !exist[n[1]] {
				t.Errorf("docs/invariants.md names %s: there is no such test", n[1])
			}
		}
		if p == "" || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| what could break it |") {
			continue
		}
		if len(names) == 0 {
			t.Errorf("a row of %s names no test: %s", p, line)
		}
		for _, n := range names {
			if !listed[p+" "+n[1]] {
				t.Errorf("docs/invariants.md names %s for %s, and testdata/invariants.txt lacks it", n[1], p)
			}
		}
		rows[p]++
	}
	var want []string
	for n := range 13 {
		want = append(want, fmt.Sprintf("I%d", n+1))
	}
	if !slices.Equal(promises, want) {
		t.Errorf("docs/invariants.md has the promises %v, want %v", promises, want)
	}
	for _, p := range promises {
		if rows[p] == 0 {
			t.Errorf("no test is named for %s", p)
		}
	}
	for line := range listed {
		if p, _, _ := strings.Cut(line, " "); !slices.Contains(promises, p) {
			t.Errorf("testdata/invariants.txt has %q: there is no such promise", line)
		}
	}
}

// testsOfRepository are the names of all tests and fuzz tests.
func testsOfRepository(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, file := range files(t, "_test.go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				out[f.Name.Name] = true
			}
		}
	}
	return out
}
