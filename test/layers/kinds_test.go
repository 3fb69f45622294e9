package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// TestEveryKindOfFindingHasItsPlaces: where it depends on the kind of a finding what follows, every kind is named. Who
// adds a kind learns from this test which functions do not know it yet.
func TestEveryKindOfFindingHasItsPlaces(t *testing.T) {
	t.Parallel()
	kinds := constantsOf(t, "internal/detection/finding.go", "Kind")
	if len(kinds) < 6 {
		t.Fatalf("package detection has the kinds %q: the test does not find them", kinds)
	}
	for _, p := range []struct{ file, function, says string }{
		{"internal/detection/judge.go", "", "which records are such a finding"},
		{"remediate/intake.go", "applyFinding", "what is stored"},
		{"remediate/intake.go", "needsRefresh", "whether only a refresh shows what has happened"},
		{"internal/replay/finding.go", "Explain", "what `flowkeeper replay` shows"},
		{"internal/doctor/judge_test.go", "TestSamplesMeanWhatTheySay", "which sample `flowkeeper doctor` sends through EventBridge (samples, event_rule.go)"},
	} {
		named := namesIn(t, p.file, p.function, "detection")
		for _, kind := range kinds {
			if !named[kind] {
				t.Errorf("%s %s does not name detection.%s: it says %s", p.file, p.function, kind, p.says)
			}
		}
	}
}

// TestEveryKindOfNoteHasAnOutcome: a note of each kind has an outcome for its event.
func TestEveryKindOfNoteHasAnOutcome(t *testing.T) {
	t.Parallel()
	kinds := constantsOf(t, "remediate/incident/effects.go", "NoteKind")
	if len(kinds) < 8 {
		t.Fatalf("package incident has the kinds %q: the test does not find them", kinds)
	}
	named := namesIn(t, "remediate/notify/note.go", "AfterNote", "incident")
	for _, kind := range kinds {
		if !named[kind] {
			t.Errorf("AfterNote does not name incident.%s", kind)
		}
	}
}

// constantsOf are the names of the constants of a type in a file.
func constantsOf(t *testing.T, path, typ string) (names []string) {
	ast.Inspect(parsed(t, path), func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok {
			if is, ok := s.Type.(*ast.Ident); ok && is.Name == typ {
				names = append(names, s.Names[0].Name)
			}
		}
		return true
	})
	return names
}

// namesIn are the names after the name of a package and a dot, and the values of fields called Kind, in a function or
// method; without one, in the file.
func namesIn(t *testing.T, path, function, pkg string) map[string]bool {
	names := map[string]bool{}
	for _, d := range parsed(t, path).Decls {
		if f, ok := d.(*ast.FuncDecl); function != "" && (!ok || f.Name.Name != function) {
			continue
		}
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if of, ok := n.X.(*ast.Ident); ok && of.Name == pkg {
					names[n.Sel.Name] = true
				}
			case *ast.KeyValueExpr:
				key, _ := n.Key.(*ast.Ident)
				if kind, ok := n.Value.(*ast.Ident); ok && key != nil && key.Name == "Kind" {
					names[kind.Name] = true
				}
			}
			return true
		})
	}
	if len(names) == 0 {
		t.Fatalf("%s has no function %s", path, function)
	}
	return names
}

func parsed(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(path)), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
