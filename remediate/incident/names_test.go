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

// TestNames: the last value of each kind has the last name, and the next one has none.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{Requeue, "requeue"}, {NextToken, "next token"}, {NextToken + 1, "8"},
		{Unclassified, "unclassified"}, {Succeeded, "succeeded"}, {TagRefused, "tag refused"}, {TagRefused + 1, "9"},
		{Action(0), "none"}, {Ignore, "ignore"}, {Restore, "restore"}, {Restore + 1, "5"}, {Action(-1), "-1"},
		{NoteLineage, "lineage"}, {NoteRequested, "requested"}, {NoteRequested + 1, "8"},
	} {
		t.Run(fmt.Sprintf("%T %s", c.value, c.want), func(t *testing.T) {
			t.Parallel()
			if got := c.value.String(); got != c.want {
				t.Errorf("%T: %s, want %s", c.value, got, c.want)
			}
		})
	}
}
