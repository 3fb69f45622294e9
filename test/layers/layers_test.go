// Package layers_test checks the tables of docs/architecture.md against the
// imports in the code: which package may import which, which packages are pure,
// and which libraries stay in one package.
package layers_test

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "flowkeeper/"
)

// pkg is one package of this module, by its path in it, with its imports. Tests may import anything, so theirs
// are left out.
type pkg struct {
	name    string
	imports []string
}

// packages are the packages of this module, for Linux, without those that only have tests.
func packages(t *testing.T) (all []pkg) {
	t.Helper()
	linux := build.Default
	linux.GOOS = "linux"
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); dir != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		var none *build.NoGoError
		p, err := linux.ImportDir(dir, 0)
		if errors.As(err, &none) || err == nil && len(p.GoFiles) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, dir)
		all = append(all, pkg{filepath.ToSlash(name), p.Imports})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var quoted = regexp.MustCompile("`([^`]+)`")

// names are the words between backticks in a text.
func names(text string) (out []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// architecture reads docs/architecture.md: the rows of the table with this header, by column.
func architecture(t *testing.T, header string) (rows [][]string) {
	t.Helper()
	_, table, found := strings.Cut(document(t), header+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no table with the header %q", header)
	}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if cells := strings.Split(strings.Trim(line, "| \n"), " | "); !strings.HasPrefix(cells[0], "---") {
			rows = append(rows, cells)
		}
	}
	return rows
}

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{}
	var order []string
	for _, row := range architecture(t, "| package | holds | may import |") {
		name := names(row[0])[0]
		allowed[name] = names(row[2])
		order = append(order, name)
	}
	for place, name := range order {
		for _, to := range allowed[name] {
			if !slices.Contains(order[place+1:], to) {
				t.Errorf("%s may import %s, which has no row further down", name, to)
			}
		}
	}
	var seen []string
	for _, p := range packages(t) {
		if strings.HasPrefix(p.name, "test/") {
			continue
		}
		seen = append(seen, p.name)
		if !slices.Contains(order, p.name) {
			t.Errorf("%s has no row in the table of docs/architecture.md", p.name)
			continue
		}
		for _, to := range p.imports {
			if to, ours := strings.CutPrefix(to, module); ours && !slices.Contains(allowed[p.name], to) {
				t.Errorf("%s imports %s: its row in docs/architecture.md does not allow that", p.name, to)
			}
		}
	}
	for _, name := range order {
		if !slices.Contains(seen, name) {
			t.Errorf("docs/architecture.md has a row for %s, and there is no such package", name)
		}
	}
}

// TestPurePackages: a pure package imports nothing that reads a clock, a disk or the network.
func TestPurePackages(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(document(t), "\nPure packages")
	if !found {
		t.Fatal("docs/architecture.md does not name the pure packages")
	}
	line, _, _ := strings.Cut(rest, "\n\n")
	pure := names(line)
	impure := []string{"context", "database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "net", "os", "os/exec", "sync/atomic", "syscall"}
	for _, p := range packages(t) {
		n := slices.Index(pure, p.name)
		if n < 0 {
			continue
		}
		pure = slices.Delete(pure, n, n+1)
		for _, to := range p.imports {
			client := strings.Contains(to, "/aws-sdk-go-v2/") && !strings.HasSuffix(to, "/aws/arn") && // an exception, because it only parses a text
				p.name != "remediate/incident" // an exception, because it uses the types of a call
			if slices.Contains(impure, to) || strings.HasPrefix(to, "net/") || client {
				t.Errorf("%s imports %s: docs/architecture.md says that it is pure", p.name, to)
			}
		}
	}
	if len(pure) > 0 {
		t.Errorf("docs/architecture.md names pure packages that are not there: %q", pure)
	}
}

func TestLibrariesStayInOnePackage(t *testing.T) {
	t.Parallel()
	home := map[string]string{}
	for _, row := range architecture(t, "| library | only in |") {
		for _, library := range names(row[0]) {
			home[library] = names(row[1])[0]
		}
	}
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, to := range p.imports {
			for library, only := range home {
				if to != library && !strings.HasPrefix(to, library+"/") {
					continue
				}
				used[library] = true
				if p.name != only {
					t.Errorf("%s imports %s: only %s may", p.name, to, only)
				}
			}
		}
	}
	for library := range home {
		if !used[library] {
			t.Errorf("docs/architecture.md has a row for %s, which nothing imports", library)
		}
	}
}

func TestNothingImportsTheTests(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, to := range p.imports {
			if strings.HasPrefix(to, module+"test/") && !strings.HasPrefix(p.name, "test/") {
				t.Errorf("%s imports %s", p.name, to)
			}
		}
	}
}
