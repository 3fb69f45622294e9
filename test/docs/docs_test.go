// Package docs_test checks that the documentation and the comments refer to things that exist: links and
// anchors, the pages that comments cite, the functions that docs/architecture.md names in the steps of an
// event and in its tree of calls, and the tests of each promise in docs/invariants.md.
package docs_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	// A cited page, as `docs/aws.md, "Deleted flow logs"` or `docs/glossary.md`.
	citation = regexp.MustCompile(`([\w./-]+\.md)\b(?:, "([^"]+)"(?: and "([^"]+)")?)?`)
	// A step of "The way of an event": its package, file, and function or method.
	step = regexp.MustCompile("(?m)^\\d\\. \\*\\*\\w+\\*\\*: `([\\w/]+)`, `(\\w+\\.go)`, `([\\w.]+)`")
	// A line of the tree of calls: its package (empty: that of the line before), its functions, and what they do.
	call = regexp.MustCompile(`^  ([\w/]*) +([\w.]+(?:, [\w.]+)*)(?: {2,}(.+))?$`)
	// A method or function in the last column of such a line: Type.method, or package.Function.
	qualified = regexp.MustCompile(`\b\w+\.\w+\b`)
)

// page is the text of a Markdown file without its blocks of code.
func page(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(text), "")
}

// anchors are the anchors that GitHub makes of a page's headings.
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

// files are the files of the repository whose names end so, without those that git ignores.
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

// TestCommentsCiteWhatIsThere: a page that a comment cites exists, by its path from the repository's root or
// from the comment's folder, and has the cited heading or term.
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
		if !declared(t, file)[s[3]] {
			t.Errorf("%s has no function %s", file, s[3])
		}
	}
}

// TestCallsInTheDocsExist: the tree of calls in docs/architecture.md names functions of the package in its
// first column, and says what they do with functions of any package.
func TestCallsInTheDocsExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]map[string]bool{} // by folder: what each declares
	anywhere := map[string]bool{}            // Type.method, and package.Function
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		if packages[dir] == nil {
			packages[dir] = map[string]bool{}
		}
		for name := range declared(t, file) {
			packages[dir][name] = true
			if !strings.Contains(name, ".") {
				name = filepath.Base(dir) + "." + name
			}
			anywhere[name] = true
		}
	}
	of, calls := "", 0
	for line := range strings.Lines(fence.FindString(string(text))) {
		if !strings.HasPrefix(line, " ") {
			continue
		}
		m := call.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			t.Errorf("a line of the tree of calls names no function: %s", line)
			continue
		}
		calls++
		of = cmp.Or(m[1], of)
		for name := range strings.SplitSeq(m[2], ", ") {
			if !packages[of][name] && !packages["internal/"+of][name] {
				t.Errorf("package %s has no function %s: %s", of, name, line)
			}
		}
		for _, name := range qualified.FindAllString(m[3], -1) {
			if !anywhere[name] {
				t.Errorf("there is no function %s: %s", name, line)
			}
		}
	}
	if calls < 10 {
		t.Errorf("the tree of calls has only %d lines", calls)
	}
}

// declared are the functions of a file and its methods, as Type.method, those of interfaces included.
func declared(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			out[receiver(n)+n.Name.Name] = true
		case *ast.TypeSpec:
			if i, is := n.Type.(*ast.InterfaceType); is {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						out[n.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
		return true
	})
	return out
}

// receiver is the type of a method and a dot; empty: the function is no method.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if p, is := of.(*ast.StarExpr); is {
		of = p.X
	}
	if id, is := of.(*ast.Ident); is {
		return id.Name + "."
	}
	return "?."
}
