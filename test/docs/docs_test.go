// Package docs_test checks that the documentation and the comments point to what
// is there: links and their anchors, the pages that comments cite, and the functions
// where the steps of an event begin.
package docs_test

import (
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

const root = "../.."

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	// A page, as `docs/aws.md, "Deleted flow logs"` or `docs/glossary.md`.
	citation = regexp.MustCompile(`([\w./-]+\.md)\b(?:, "([^"]+)"(?: and "([^"]+)")?)?`)
	// A step of the way of an event: its package, file, and function or method.
	step = regexp.MustCompile("(?m)^\\d\\. \\*\\*\\w+\\*\\*: `([\\w/]+)`, `(\\w+\\.go)`, `(?:(\\w+)\\.)?(\\w+)`")
)

// page is one Markdown file, without blocks of code.
func page(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(text), "")
}

// anchors of a page, as GitHub makes them of its headings.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(page(t, file), -1) {
		plain := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(h[1], "$1")
		plain = regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(plain), "")
		out[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return out
}

// files below the repository's root that end so, without what git does not keep.
func files(t *testing.T, suffix string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "dist" || d.Name() == "testdata"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(file, suffix):
			out = append(out, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(page(t, file), -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := file
			if to != "" {
				target = filepath.Join(filepath.Dir(file), to)
			}
			if !exists(target) {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			} else if anchor != "" && strings.HasSuffix(target, ".md") && !anchors(t, target)[anchor] {
				t.Errorf("%s links to %s: there is no such heading", file, m[1])
			}
		}
	}
}

// TestCommentsCiteWhatIsThere: a comment names a page from the repository's root, or from
// its own folder, and a heading of it as it is written there.
func TestCommentsCiteWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, ".go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range parsed.Comments {
			for _, m := range citation.FindAllStringSubmatch(strings.Join(strings.Fields(c.Text()), " "), -1) {
				cited := filepath.Join(root, m[1])
				if !exists(cited) {
					cited = filepath.Join(filepath.Dir(file), m[1])
				}
				if !exists(cited) {
					t.Errorf("%s cites %s, which is not in the repository", file, m[1])
					continue
				}
				for _, h := range m[2:] {
					if h != "" && !strings.Contains(page(t, cited), "# "+h+"\n") && !strings.Contains(page(t, cited), "| **"+h+"** |") {
						t.Errorf("%s cites %q of %s, which has no such heading or term", file, h, m[1])
					}
				}
			}
		}
	}
}

// TestStepsBeginWhereTheDocsSay: each step in docs/architecture.md names a function of that file.
func TestStepsBeginWhereTheDocsSay(t *testing.T) {
	t.Parallel()
	steps := step.FindAllStringSubmatch(page(t, filepath.Join(root, "docs", "architecture.md")), -1)
	if len(steps) != 8 {
		t.Fatalf("docs/architecture.md has %d steps that name a package, a file and a function, want 8", len(steps))
	}
	for _, s := range steps {
		file := filepath.Join(root, s[1], s[2])
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(parsed.Decls, func(d ast.Decl) bool { return declares(d, s[3], s[4]) }) {
			t.Errorf("%s has no function %s of %q", file, s[4], s[3])
		}
	}
}

// declares reports whether a declaration is the function called name of a type; empty: of none.
func declares(d ast.Decl, of, name string) bool {
	f, ok := d.(*ast.FuncDecl)
	if !ok || f.Name.Name != name || (f.Recv == nil) != (of == "") {
		return false
	}
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	if p, is := receiver.(*ast.StarExpr); is {
		receiver = p.X
	}
	id, ok := receiver.(*ast.Ident)
	return ok && id.Name == of
}
