package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// cell of a table.
type cell struct {
	text  string
	color color
}

// column of a table, and what becomes of it where a terminal is narrow.
type column struct {
	name string
	min  int  // it is cut to this at the least; 0: never cut, people copy it
	drop int  // it is left out, the lowest first; 0: never
	tail bool // it is cut at the beginning: the end says more
}

func whole(name string) column           { return column{name: name} }
func cutTo(min int, name string) column  { return column{name: name, min: max(min, len(name))} }
func (c column) orDrop(order int) column { c.drop = order; return c }
func (c column) keepEnd() column         { c.tail = true; return c }

func (c column) cut(s string, n int) string {
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

// table prints aligned columns, as wide as the terminal at most. Its texts are
// cleaned (I12). With --json each row is an object instead.
type table struct {
	a       *app
	color   bool
	columns []column
	shown   []bool // of each column; nil until the first rows are printed
	widths  []int  // of each column
	rows    [][]cell
}

func (a *app) table(columns ...column) *table {
	t := &table{a: a, color: a.colors(), columns: columns}
	for _, c := range columns {
		t.widths = append(t.widths, len(c.name))
	}
	return t
}

// add adds a row: the object with --json, else the values, each a cell or any other
// value. An empty one shows a dash.
func (t *table) add(object any, values ...any) error {
	if t.a.json {
		return t.a.object(object)
	}
	row := make([]cell, len(values))
	for i, v := range values {
		c, painted := v.(cell)
		if !painted {
			c.text = fmt.Sprint(v)
		}
		if c.text = clean(c.text); c.text == "" {
			c = cell{"-", dim}
		}
		if t.a.terminal {
			c.text = t.columns[i].cut(c.text, maxCell)
		}
		row[i] = c
		t.widths[i] = max(t.widths[i], screen.StringWidth(c.text))
	}
	if t.rows = append(t.rows, row); len(t.rows) == tableBlock {
		t.flush()
	}
	return nil
}

// flush prints the rows that are held. A table without rows prints nothing.
func (t *table) flush() {
	if len(t.rows) == 0 {
		return
	}
	if t.shown == nil {
		t.choose()
		var head []cell
		for _, c := range t.columns {
			head = append(head, cell{c.name, bold})
		}
		t.rows = slices.Insert(t.rows, 0, head)
	}
	for t.a.columns > 0 && t.width(false) > t.a.columns && t.narrow() {
	}
	for _, row := range t.rows {
		fmt.Fprintln(t.a.out(), t.line(row))
	}
	t.rows = nil
}

// choose leaves out columns if the terminal is too narrow. The most important are
// kept first. Those with the same text in every row are kept only if nothing must be
// cut for them.
func (t *table) choose() {
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
			if t.alike(i) == same {
				t.shown[i] = true
				t.shown[i] = t.a.columns == 0 || t.width(!same) <= t.a.columns
			}
		}
	}
}

// alike reports whether a column has the same text in every row. It does not if there
// may be more rows than are held.
func (t *table) alike(i int) bool {
	return len(t.rows) > 1 && len(t.rows) < tableBlock &&
		!slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != t.rows[0][i].text })
}

// width of a row; least: with all cut that may be.
func (t *table) width(least bool) int {
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
func (t *table) narrow() bool {
	widest := -1
	for i, c := range t.columns {
		if t.shown[i] && c.min > 0 && t.widths[i] > c.min && (widest < 0 || t.widths[i] > t.widths[widest]) {
			widest = i
		}
	}
	if widest >= 0 {
		t.widths[widest]--
	}
	return widest >= 0
}

func (t *table) line(row []cell) string {
	var b strings.Builder
	pad := 0
	for i, c := range row {
		if !t.shown[i] {
			continue
		}
		text := t.columns[i].cut(c.text, t.widths[i])
		b.WriteString(strings.Repeat(" ", pad) + paint(t.color, c.color, text))
		pad = t.widths[i] - screen.StringWidth(text) + gap
	}
	return b.String()
}

// sheet is what is known of one thing: a line for each value that is not empty.
type sheet struct {
	indent string
	lines  [][2]string
}

func (s *sheet) put(key, value string) {
	if value != "" {
		s.lines = append(s.lines, [2]string{s.indent + clean(key), clean(value)})
	}
}

// leastValue is how much room a value gets on the narrowest terminal.
const leastValue = 30

// writeSheet aligns the values, and wraps them where the terminal ends.
func (a *app) writeSheet(s *sheet) {
	keys, room := 0, 0
	for _, l := range s.lines {
		keys = max(keys, screen.StringWidth(l[0]))
	}
	if a.columns > 0 {
		room = max(leastValue, a.columns-keys-gap)
	}
	for _, l := range s.lines {
		fmt.Fprintln(a.out(), screen.FillRight(l[0], keys+gap)+strings.Join(wrap(l[1], room), "\n"+strings.Repeat(" ", keys+gap)))
	}
}

// wrap breaks a text between words into lines of so many characters; 0: none.
// A longer word stays whole: people copy it, and the terminal breaks it.
func wrap(text string, room int) []string {
	if room == 0 || screen.StringWidth(text) <= room {
		return []string{text}
	}
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && screen.StringWidth(lines[last])+1+screen.StringWidth(word) <= room {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
