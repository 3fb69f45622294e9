package alert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// constants are the values of the group of constants that begins with the one called
// first. They are read from the source, because their package imports this one.
func constants(t *testing.T, dir, first string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST || group.Specs[0].(*ast.ValueSpec).Names[0].Name != first {
				continue
			}
			for _, spec := range group.Specs {
				for _, value := range spec.(*ast.ValueSpec).Values {
					text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants that begin with %s", dir, first)
	}
	return values
}

// TestStatesAndSources: the names of states and sources are those of package incident.
func TestStatesAndSources(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(sorted(constants(t, "../remediate/incident", "Open")), sorted(states)); d != "" {
		t.Errorf("-states +those known here:\n%s", d)
	}
	if all := constants(t, "../remediate/incident", "ByEvent"); !slices.Contains(all, sourceDrift) {
		t.Errorf("%q is no source of an incident: %q", sourceDrift, all)
	}
}

// TestEveryReasonHasWords: this package has words for each reason of package incident, and for no other.
func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	worded := slices.Collect(maps.Keys(closedReasons))
	worded = slices.AppendSeq(worded, maps.Keys(blockedReasons))
	worded = append(worded, notDelivering, notTagged)
	if d := cmp.Diff(sorted(constants(t, "../remediate/incident", "NotDelivering")), sorted(worded)); d != "" {
		t.Errorf("-reasons +those with words:\n%s", d)
	}
}

// TestEveryFactHasWords: each fact that raises a level has words.
func TestEveryFactHasWords(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(sorted(constants(t, ".", "ByRoot")), slices.Sorted(maps.Keys(factWords))); d != "" {
		t.Errorf("-facts +those with words:\n%s", d)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// TestRunbookOfReasons: docs/alerts.md has a row for each reason.
func TestRunbookOfReasons(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason := range blockedReasons {
		if !strings.Contains(string(b), "\n| `"+reason+"` |") {
			t.Errorf("docs/alerts.md has no row for the blocked reason %s", reason)
		}
	}
	for _, words := range closedReasons {
		if !strings.Contains(string(b), "\n| "+words+" |") {
			t.Errorf("docs/alerts.md has no row for the closed reason with the words %q", words)
		}
	}
}
