// Package docs_test checks that the documentation and the comments point to what
// is there: links and their anchors, and the pages that comments cite.
package docs_test

import (
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
	// A page, as `docs/aws.md, "Deleted flow logs"` or `docs/glossary.md`.
	citation = regexp.MustCompile(`([\w./-]+\.md)\b(?:, "([^"]+)"(?: and "([^"]+)")?)?`)
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
