package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// cell of a table.
type cell struct {
	text  string
	color color
}

func plain(s string) cell { return cell{text: s} }

// column of a table, and what becomes of it where a terminal is narrow.
type column struct {
	name string
	min  int  // it is cut to this at the least; 0: never cut, people copy it
	drop int  // it is left out, the lowest first; 0: never
	tail bool // its end tells more than its beginning
}

func whole(name string) column           { return column{name: name} }
func cutTo(min int, name string) column  { return column{name: name, min: max(min, len(name))} }
func (c column) orDrop(order int) column { c.drop = order; return c }
func (c column) keepEnd() column         { c.tail = true; return c }

func (c column) cut(s string, n int) string {
	if c.tail {
		return screen.TruncatePrefix(s, n, "…")
	}
	return screen.Truncate(s, n, "…")
}

// screen measures texts in a terminal's cells, in every locale alike.
var screen = &runewidth.Condition{StrictEmojiNeutral: true}

// maxCell is how wide a column that may be cut gets on a terminal of unknown
// width, in characters; `show` tells the rest.
const maxCell = 72

// tableBlock is how many rows are held to find the columns' widths: a list of
// any length stays small in memory.
const tableBlock = 1000

const gap = 2 // between columns

// table prints aligned columns, on a terminal as wide as that is. Its texts
// are cleaned (I12).
type table struct {
	w       io.Writer
	color   bool
	cut     bool // on a terminal
	width   int  // of it; 0: not known
	columns []column
	widths  []int
	dropped []bool
	rows    [][]cell
	begun   bool
	long    bool // there are more rows than are held
}

func (a *app) table(w io.Writer, columns ...column) *table {
	t := &table{w: w, color: a.colors(), cut: a.terminal, columns: columns, widths: make([]int, len(columns)), dropped: make([]bool, len(columns))}
	if a.terminal {
		t.width = a.columns
	}
	for i, c := range columns {
		t.widths[i] = len(c.name)
	}
	return t
}

// add one row; an empty cell shows a dash.
func (t *table) add(cells ...cell) error {
	for i, c := range cells {
		if c.text = clean(c.text); c.text == "" {
			c = cell{"-", dim}
		}
		if t.cut && t.columns[i].min > 0 {
			c.text = t.columns[i].cut(c.text, maxCell)
		}
		cells[i] = c
		t.widths[i] = max(t.widths[i], screen.StringWidth(c.text))
	}
	t.rows = append(t.rows, cells)
	if len(t.rows) < tableBlock {
		return nil
	}
	t.long = true
	return t.flush()
}

// fit makes the columns as narrow as the terminal asks for: some are left out,
// and those that may be cut are, the widest first. What is left out at the
// beginning stays so.
func (t *table) fit() {
	if t.width == 0 {
		return
	}
	if !t.begun {
		t.leaveOut()
	}
	for t.total() > t.width {
		widest := -1
		for i, c := range t.columns {
			if !t.dropped[i] && c.min > 0 && t.widths[i] > c.min && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

// leaveOut chooses the columns for a narrow terminal. Those that say the same of
// every row go before anything is cut; then, the least telling first, those
// for which there is no room even so. Of these, what fits after all comes back.
func (t *table) leaveOut() {
	var order []int
	for i, c := range t.columns {
		if c.drop > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, k int) int { return t.columns[i].drop - t.columns[k].drop })
	for _, i := range order {
		t.dropped[i] = t.total() > t.width && t.alike(i)
	}
	for _, i := range order {
		t.dropped[i] = t.dropped[i] || t.least() > t.width
	}
	for _, i := range slices.Backward(order) {
		if t.dropped[i] && !t.alike(i) {
			t.dropped[i] = false
			t.dropped[i] = t.least() > t.width
		}
	}
}

// alike reports whether a column says the same of every row.
func (t *table) alike(i int) bool {
	if t.long || len(t.rows) < 2 {
		return false
	}
	return !slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != t.rows[0][i].text })
}

// total is how wide a row is, and least how wide it is with all cut that may be.
func (t *table) total() int { return t.sum(func(i int) int { return t.widths[i] }) }

func (t *table) least() int {
	return t.sum(func(i int) int {
		if m := t.columns[i].min; m > 0 {
			return min(m, t.widths[i])
		}
		return t.widths[i]
	})
}

func (t *table) sum(of func(int) int) int {
	n := -gap
	for i := range t.columns {
		if !t.dropped[i] {
			n += of(i) + gap
		}
	}
	return n
}

// flush prints what is held. A table without rows prints nothing.
func (t *table) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	t.fit()
	if !t.begun {
		t.begun = true
		var head []cell
		for _, c := range t.columns {
			head = append(head, cell{c.name, bold})
		}
		t.rows = append([][]cell{head}, t.rows...)
	}
	for _, row := range t.rows {
		if _, err := fmt.Fprintln(t.w, t.line(row)); err != nil {
			return err
		}
	}
	t.rows = nil
	return nil
}

func (t *table) line(row []cell) string {
	var b strings.Builder
	pad := 0
	for i, c := range row {
		if t.dropped[i] {
			continue
		}
		text := c.text
		if t.columns[i].min > 0 {
			text = t.columns[i].cut(text, t.widths[i])
		}
		b.WriteString(strings.Repeat(" ", pad))
		b.WriteString(paint(t.color, c.color, text))
		pad = t.widths[i] - screen.StringWidth(text) + gap
	}
	return b.String()
}

// sheet prints what is known of one thing: a line for each value there is,
// wrapped where the terminal ends.
type sheet struct {
	lines [][2]string
}

func (s *sheet) put(key, value string) {
	if value != "" {
		s.lines = append(s.lines, [2]string{clean(key), clean(value)})
	}
}

// leastValue is how much room a value gets on the narrowest terminal.
const leastValue = 30

func (a *app) writeSheet(w io.Writer, s *sheet) error {
	keys := 0
	for _, l := range s.lines {
		keys = max(keys, screen.StringWidth(l[0]))
	}
	room := 0
	if a.terminal && a.columns > 0 {
		room = max(leastValue, a.columns-keys-gap)
	}
	for _, l := range s.lines {
		for n, part := range wrap(l[1], room) {
			if n > 0 {
				l[0] = ""
			}
			if _, err := fmt.Fprintf(w, "%s%*s%s\n", l[0], keys-screen.StringWidth(l[0])+gap, "", part); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrap breaks a text between words into lines of so many characters; 0: none.
// A longer word stays whole: people copy it, and the terminal breaks it.
func wrap(text string, room int) []string {
	if room == 0 || screen.StringWidth(text) <= room {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case screen.StringWidth(line)+1+screen.StringWidth(word) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
