package term

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Cell of a table.
type Cell struct {
	Text  string
	Color Color
}

// Colored is a cell in this colour.
func Colored(text string, c Color) Cell { return Cell{text, c} }

// Column of a table, and what becomes of it if the terminal is narrow.
type Column struct {
	name string
	min  int  // cells that are left when it is cut; 0: it is never cut
	drop int  // columns with the lowest number are left out first; 0: it is never left out
	tail bool // it is cut at the beginning
}

// Whole is a column that is never cut: people copy its texts.
func Whole(name string) Column { return Column{name: name} }

// CutTo is a column that may be cut to min cells of the terminal.
func CutTo(min int, name string) Column { return Column{name: name, min: max(min, len(name))} }

// OrDrop allows the column to be left out. Columns with the lowest order are left out first.
func (c Column) OrDrop(order int) Column { c.drop = order; return c }

// KeepEnd says that the column is cut at the beginning, because its end says more.
func (c Column) KeepEnd() Column { c.tail = true; return c }

func (c Column) cut(s string, n int) string {
	switch {
	case c.min == 0:
		return s
	case c.tail:
		return screen.TruncatePrefix(s, n, "…")
	}
	return screen.Truncate(s, n, "…")
}

// screen measures texts in a terminal's cells, in every locale alike.
var screen = &runewidth.Condition{StrictEmojiNeutral: true}

const (
	gap = 2 // between columns

	// maxCell is how wide a column that may be cut gets on a terminal of unknown
	// width; `show` prints the rest.
	maxCell = 72

	// tableBlock is how many rows are held to find the columns' widths: a list of
	// any length stays small in memory.
	tableBlock = 1000
)

// Table prints aligned columns, as wide as the terminal at most. Its texts are
// cleaned (I12). With JSON each row is an object instead.
type Table struct {
	o       *Output
	columns []Column
	shown   []bool // of each column; nil until the first rows are printed
	widths  []int  // of each column
	rows    [][]Cell
}

// Table starts a table; the caller adds rows and flushes it.
func (o *Output) Table(columns ...Column) *Table {
	t := &Table{o: o, columns: columns}
	for _, c := range columns {
		t.widths = append(t.widths, len(c.name))
	}
	return t
}

// Add adds a row: the object with JSON, else the values, each a Cell or any other
// value. An empty value shows a dash.
func (t *Table) Add(object any, values ...any) {
	if t.o.JSON {
		t.o.Object(object)
		return
	}
	row := make([]Cell, len(values))
	for i, v := range values {
		c, colored := v.(Cell)
		if !colored {
			c.Text = fmt.Sprint(v)
		}
		if c.Text = Clean(c.Text); c.Text == "" {
			c = Cell{"-", Dim}
		}
		if t.o.Terminal {
			c.Text = t.columns[i].cut(c.Text, maxCell)
		}
		row[i] = c
		t.widths[i] = max(t.widths[i], screen.StringWidth(c.Text))
	}
	if t.rows = append(t.rows, row); len(t.rows) == tableBlock {
		t.Flush()
	}
}

// Flush prints the rows that are held. A table without rows prints nothing.
func (t *Table) Flush() {
	if len(t.rows) == 0 {
		return
	}
	if t.shown == nil {
		t.choose()
		var head []Cell
		for _, c := range t.columns {
			head = append(head, Cell{c.name, Bold})
		}
		t.rows = slices.Insert(t.rows, 0, head)
	}
	for t.o.Columns > 0 && t.width(false) > t.o.Columns && t.narrow() {
	}
	for _, row := range t.rows {
		t.o.Printf("%s\n", t.line(row))
	}
	t.rows = nil
}

// choose leaves out columns if the terminal is too narrow. The most important are
// kept first. Columns with the same text in every row are kept only if nothing must be
// cut for them.
func (t *Table) choose() {
	var order []int
	for i, c := range t.columns {
		t.shown = append(t.shown, c.drop == 0)
		if c.drop > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, k int) int { return cmp.Compare(t.columns[k].drop, t.columns[i].drop) })
	for _, same := range []bool{false, true} {
		for _, i := range order {
			if t.uniform(i) == same {
				t.shown[i] = true
				t.shown[i] = t.o.Columns == 0 || t.width(!same) <= t.o.Columns
			}
		}
	}
}

// uniform reports whether a column has the same text in every row. If there may be more
// rows than are held, it does not.
func (t *Table) uniform(i int) bool {
	return len(t.rows) > 1 && len(t.rows) < tableBlock &&
		!slices.ContainsFunc(t.rows, func(row []Cell) bool { return row[i].Text != t.rows[0][i].Text })
}

// width returns the width of a row; least: with each column cut to its min.
func (t *Table) width(least bool) int {
	n := -gap
	for i, c := range t.columns {
		switch {
		case !t.shown[i]:
		case least && c.min > 0:
			n += gap + min(t.widths[i], c.min)
		default:
			n += gap + t.widths[i]
		}
	}
	return n
}

// narrow makes the widest column that may be cut narrower by one, if there is one.
func (t *Table) narrow() bool {
	widest := -1
	for i, c := range t.columns {
		mayBeCut := t.shown[i] && c.min > 0 && t.widths[i] > c.min
		if mayBeCut && (widest < 0 || t.widths[i] > t.widths[widest]) {
			widest = i
		}
	}
	if widest >= 0 {
		t.widths[widest]--
	}
	return widest >= 0
}

func (t *Table) line(row []Cell) string {
	var b strings.Builder
	pad := 0
	for i, c := range row {
		if !t.shown[i] {
			continue
		}
		text := t.columns[i].cut(c.Text, t.widths[i])
		b.WriteString(strings.Repeat(" ", pad) + t.o.Paint(text, c.Color))
		pad = t.widths[i] - screen.StringWidth(text) + gap
	}
	return b.String()
}
