package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newOutput(w io.Writer, columns int) *Output {
	return &Output{Stdout: w, Stderr: w, Terminal: columns > 0, Columns: columns}
}

// TestI12JSONHidesNothing: the JSON of any text has printable characters only, so that it can't control a terminal. It
// is decoded to the same text.
func TestI12JSONHidesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		var b bytes.Buffer
		if err := WriteJSON(&b, map[string]string{"a": text}); err != nil {
			t.Fatal(err)
		}
		for _, r := range strings.TrimSuffix(b.String(), "\n") {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q is not escaped in %q", r, b.String())
			}
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["a"] != text {
			t.Fatalf("%q became %q: %v", text, back["a"], err)
		}
	})
}

// TestI12TablesAndSheetsAreClean: no text in a cell adds a line or a control character to a table or a sheet.
func TestI12TablesAndSheetsAreClean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		var b bytes.Buffer
		o := newOutput(&b, 0)
		tab := o.Table(Whole("A"), Whole("B"))
		tab.Add(nil, text, "x")
		tab.Flush()
		s := Sheet{}
		s.Put("key", text)
		o.Sheet(&s)
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
		want := 3
		if text == "" {
			want = 2
		}
		if strings.Count(b.String(), "\n") != want {
			t.Fatalf("want %d lines: %q", want, b.String())
		}
		for _, r := range b.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q is not escaped in %q", r, b.String())
			}
		}
	})
}

// printTable prints a table with these rows.
func printTable(t *testing.T, o *Output, columns []Column, rows ...[]any) {
	t.Helper()
	tab := o.Table(columns...)
	for _, r := range rows {
		tab.Add(nil, r...)
	}
	tab.Flush()
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestTableAligns(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	printTable(t, newOutput(&b, 0), []Column{Whole("ID"), Whole("STATE")}, []any{"fl-1", Colored("live", Green)}, []any{"ü", ""})
	if want := "ID    STATE\nfl-1  live\nü     -\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestTableFits: on a narrow terminal a table first shortens texts and then leaves columns out. It never shortens IDs.
// In a file it shortens nothing.
func TestTableFits(t *testing.T) {
	t.Parallel()
	id, who := "fl-0123456789abcdef0", "assumed-role/administrators/mallory"
	for _, c := range []struct {
		columns int
		want    string
	}{
		{0, "ID                    WHO                                  WHAT                     REGION\n" + id + "  " + who + "  it was deleted by night  eu-west-1\n"},
		{70, "ID                    WHO                WHAT                REGION\n" + id + "  …strators/mallory  it was deleted by…  eu-west-1\n"},
		{45, "ID                    WHO         WHAT\n" + id + "  …s/mallory  it was del…\n"},
		{10, "ID                    WHO       WHAT\n" + id + "  …mallory  it was …\n"},
	} {
		t.Run(fmt.Sprint(c.columns, " columns"), func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			columns := []Column{Whole("ID"), CutTo(8, "WHO").KeepEnd(), CutTo(8, "WHAT"), Whole("REGION").OrDrop(1)}
			printTable(t, newOutput(&b, c.columns), columns, []any{id, who, "it was deleted by night", "eu-west-1"})
			if b.String() != c.want {
				t.Errorf("%d columns:\n%s want\n%s", c.columns, b.String(), c.want)
			}
		})
	}
}

// TestTableLeavesOut: if a table is too wide, it first leaves out columns with the same text in every row, and then
// those with the lowest number in OrDrop, until it fits.
func TestTableLeavesOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		columns int
		rows    [][]any
		want    string
	}{
		"the same account":    {30, [][]any{{"fl-1", "111122223333", "east", "replaced by fl-2"}, {"fl-3", "111122223333", "west", "live"}}, "ID    REGION  STATE\nfl-1  east    replaced by fl-2\nfl-3  west    live\n"},
		"the same Region":     {30, [][]any{{"fl-1", "111122223333", "east", "live"}, {"fl-3", "444455556666", "east", "replaced by fl-2"}}, "ID    ACCOUNT       STATE\nfl-1  111122223333  live\nfl-3  444455556666  replaced …\n"},
		"too narrow for both": {24, [][]any{{"fl-1", "111122223333", "east", "live"}, {"fl-3", "444455556666", "west", "replaced by fl-2"}}, "ID    REGION  STATE\nfl-1  east    live\nfl-3  west    replaced …\n"},
		"room for all":        {60, [][]any{{"fl-1", "111122223333", "east", "live"}, {"fl-3", "111122223333", "east", "live"}}, "ID    ACCOUNT       REGION  STATE\nfl-1  111122223333  east    live\nfl-3  111122223333  east    live\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			printTable(t, newOutput(&b, c.columns), []Column{Whole("ID"), Whole("ACCOUNT").OrDrop(2), Whole("REGION").OrDrop(1), CutTo(9, "STATE")}, c.rows...)
			if b.String() != c.want {
				t.Errorf("%d columns:\n%s want\n%s", c.columns, b.String(), c.want)
			}
		})
	}
}

// TestCellsOfATerminal: wide and combining characters keep the columns aligned.
func TestCellsOfATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "ab": 2, "ü": 1, "u\u0308": 1, "監査": 4, "ログ": 4, "…": 1} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			if n := screen.StringWidth(text); n != want {
				t.Errorf("%d cells, want %d", n, want)
			}
		})
	}
	for name, c := range map[string]struct {
		c    Column
		n    int
		want string
	}{
		"three of them fit":           {CutTo(2, "A"), 7, "監査ロ…"},
		"half of the third would fit": {CutTo(2, "A"), 6, "監査…"},
		"the end is kept":             {CutTo(2, "A").KeepEnd(), 6, "…ログ"},
		"all of them fit":             {CutTo(2, "A"), 8, "監査ログ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.c.cut("監査ログ", c.n); got != c.want {
				t.Errorf("%d cells: %q, want %q", c.n, got, c.want)
			}
		})
	}
}

// TestSheetWraps: long values continue on the next line, and words stay whole.
func TestSheetWraps(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o := newOutput(&b, 40)
	s := Sheet{}
	s.Put("advice", "let the role of the daemon create flow logs again")
	s.Put("id", "fl-0123456789abcdef0123456789abcdef0123")
	o.Sheet(&s)
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "advice  let the role of the daemon\n        create flow logs again\nid      fl-0123456789abcdef0123456789abcdef0123\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestFlushHasTheErrorOfAResult: Object returns no error, so Flush returns the error of a result that can't be written
// as JSON.
func TestFlushHasTheErrorOfAResult(t *testing.T) {
	t.Parallel()
	o := newOutput(io.Discard, 0)
	o.Object(func() {})
	o.Object("fine")
	if err := o.Flush(); err == nil {
		t.Error("Flush returns no error, though a function can't be written as JSON")
	}
}

// TestLongTableStaysSmall: a long table prints its rows in blocks, and does not hold all of them in memory.
func TestLongTableStaysSmall(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o := newOutput(&b, 0)
	tab := o.Table(Whole("N"))
	for range 3*tableBlock + 1 {
		tab.Add(nil, "x")
		if len(tab.rows) > tableBlock {
			t.Fatalf("%d rows are held, want at most %d", len(tab.rows), tableBlock)
		}
	}
	tab.Flush()
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "N\n"); n != 1 {
		t.Errorf("%d headers, want one", n)
	}
	if n := strings.Count(b.String(), "x\n"); n != 3*tableBlock+1 {
		t.Errorf("%d rows, want %d", n, 3*tableBlock+1)
	}
}

func TestColorsOnlyWhereWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		terminal bool
		environ  map[string]string
		want     bool
	}{
		{"a terminal", true, map[string]string{"TERM": "xterm"}, true},
		{"a pipe", false, map[string]string{"TERM": "xterm"}, false},
		{"NO_COLOR", true, map[string]string{"NO_COLOR": "1"}, false},
		{"an empty NO_COLOR", true, map[string]string{"NO_COLOR": ""}, true},
		{"a dumb terminal", true, map[string]string{"TERM": "dumb"}, false},
		{"CLICOLOR=0", true, map[string]string{"CLICOLOR": "0"}, false},
		{"CLICOLOR=1", true, map[string]string{"CLICOLOR": "1"}, true},
		{"CLICOLOR=1 and a pipe", false, map[string]string{"CLICOLOR": "1"}, false},
		{"CLICOLOR_FORCE", false, map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"CLICOLOR_FORCE=0", false, map[string]string{"CLICOLOR_FORCE": "0"}, false},
		{"NO_COLOR before CLICOLOR_FORCE", true, map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Colors(c.terminal, func(name string) string { return c.environ[name] })
			if got != c.want {
				t.Error(got)
			}
			if painted := (&Output{Color: got}).Paint("x", Red) != "x"; painted != c.want {
				t.Errorf("painted: %v, want %v", painted, c.want)
			}
		})
	}
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, ""},
		{noon, "now"},
		{noon.Add(-90 * time.Second), "90 s ago"},
		{noon.Add(-5 * time.Minute), "5 min ago"},
		{noon.Add(-30 * time.Hour), "30 h ago"},
		{noon.Add(-80 * 24 * time.Hour), "80 days ago"},
		{noon.Add(3 * time.Hour), "in 3 h"},
	} {
		t.Run(fmt.Sprintf("%q", c.want), func(t *testing.T) {
			t.Parallel()
			if got := Ago(c.at, noon); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
