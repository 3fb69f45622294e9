package incident

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryReasonIsListed: BlockedReasons and ClosedReasons have all constants of the group that begins with
// NotDelivering, except the first two: these say why a restored flow log is not verified.
func TestEveryReasonIsListed(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "incident.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST || group.Specs[0].(*ast.ValueSpec).Names[0].Name != "NotDelivering" {
			continue
		}
		for _, s := range group.Specs[2:] {
			want = append(want, s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
		}
	}
	got := []string{}
	for _, r := range slices.Concat(BlockedReasons, ClosedReasons) {
		got = append(got, fmt.Sprintf("%q", r))
	}
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("-constants +those listed:\n%s", d)
	}
}

// TestActionNames: the last action has the last name, and the next one has none.
func TestActionNames(t *testing.T) {
	t.Parallel()
	for action, want := range map[Action]string{0: "none", Ignore: "ignore", Restore: "restore", Restore + 1: "5", -1: "-1"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := action.String(); got != want {
				t.Errorf("%d is %s, want %s", int(action), got, want)
			}
		})
	}
}
