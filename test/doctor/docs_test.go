package doctor_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flowkeeper/internal/doctor"
)

// sources are the texts of all Go files: of tests, or of others.
func sources(t *testing.T, tests bool) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	must(t, err)
	return string(text)
}

// TestEveryCheckIsInTheTable: the table of docs/doctor.md says for every check on which AWS it was tried, and
// names tests that exist.
func TestEveryCheckIsInTheTable(t *testing.T) {
	t.Parallel()
	_, part, _ := strings.Cut(read(t, "doctor.md"), "## The checks")
	part, _, _ = strings.Cut(part, "\n## ")
	var listed []string
	tests := sources(t, true)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (.+) \\| (.+) \\| (.+) \\|$").FindAllStringSubmatch(part, -1) {
		listed = append(listed, row[1])
		if !regexp.MustCompile(`^(fakeaws|LocalStack|moto|fakeaws, LocalStack)$`).MatchString(row[3]) {
			t.Errorf("%s was tried on %q, want fakeaws, LocalStack or moto", row[1], row[3])
		}
		names := regexp.MustCompile(`Test\w+`).FindAllString(row[4], -1)
		if len(names) == 0 {
			t.Errorf("%s names no test", row[1])
		}
		for _, name := range names {
			if !strings.Contains(tests, "func "+name+"(") {
				t.Errorf("%s names %s, which does not exist", row[1], name)
			}
		}
	}
	var want []string
	for _, c := range doctor.Checks() {
		want = append(want, c.ID)
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the table has the checks %v, want those of the doctor: %v", listed, want)
	}
}

// anchor is the anchor that GitHub makes of a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(heading)), " ", "-")
}

func TestEveryCheckHasAnAnchor(t *testing.T) {
	t.Parallel()
	text := read(t, "troubleshoot.md")
	anchors := map[string]int{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchors[anchor(h[1])]++
	}
	for _, c := range doctor.Checks() {
		if _, id, _ := strings.Cut(doctor.See(c.ID), "docs/troubleshoot.md#"); anchors[id] != 1 {
			t.Errorf("%s has %d anchors, want 1", doctor.See(c.ID), anchors[id])
		}
		_, part, _ := strings.Cut(text, "\n## "+c.ID+"\n")
		part, _, _ = strings.Cut(part, "\n#")
		for _, word := range []string{"**Means**", "**Why it matters**", "**Do**"} {
			if !strings.Contains(part, word) {
				t.Errorf("%s does not say %s", c.ID, word)
			}
		}
	}
	for _, page := range []string{text, read(t, "doctor.md")} {
		for _, link := range regexp.MustCompile(`\((?:troubleshoot\.md)?#([a-z-]+)\)`).FindAllStringSubmatch(page, -1) {
			if anchors[link[1]] != 1 {
				t.Errorf("a link leads to #%s, which is not there", link[1])
			}
		}
	}
}

// TestQuotesAreTheProgramsOwnWords: every quotation in docs/troubleshoot.md is a text of the program.
func TestQuotesAreTheProgramsOwnWords(t *testing.T) {
	t.Parallel()
	code, quotes := sources(t, false), 0
	for line := range strings.Lines(read(t, "troubleshoot.md")) {
		quote, is := strings.CutPrefix(line, "> ")
		if !is {
			continue
		}
		for part := range strings.SplitSeq(quote, "…") {
			if quotes++; !strings.Contains(code, strings.TrimSpace(part)) {
				t.Errorf("the page quotes %q, which is no text of the program", strings.TrimSpace(part))
			}
		}
	}
	if quotes < 20 {
		t.Errorf("found %d quotations, want at least 20", quotes)
	}
}
