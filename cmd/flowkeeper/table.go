package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
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
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case c.tail:
		return "…" + string(r[len(r)-n+1:])
	}
	return string(r[:n-1]) + "…"
}

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
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(c.text))
	}
	t.rows = append(t.rows, cells)
	if len(t.rows) < tableBlock {
		return nil
	}
	return t.flush()
}

// fit makes the columns as narrow as the terminal asks for: those that may be
// cut are, the widest first; where that is not enough, some are left out. What
// is left out at the beginning stays so.
func (t *table) fit() {
	if t.width == 0 {
		return
	}
	if !t.begun {
		for order := 1; t.least() > t.width && order <= len(t.columns); order++ {
			for i, c := range t.columns {
				t.dropped[i] = t.dropped[i] || c.drop == order
			}
		}
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
		pad = t.widths[i] - utf8.RuneCountInString(text) + gap
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
	width := 0
	for _, l := range s.lines {
		width = max(width, utf8.RuneCountInString(l[0]))
	}
	room := 0
	if a.terminal && a.columns > 0 {
		room = max(leastValue, a.columns-width-gap)
	}
	for _, l := range s.lines {
		for n, part := range wrap(l[1], room) {
			if n > 0 {
				l[0] = ""
			}
			if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, l[0], part); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrap breaks a text between words into lines of so many characters; 0: none.
// A longer word stays whole: people copy it, and the terminal breaks it.
func wrap(text string, room int) []string {
	if room == 0 || utf8.RuneCountInString(text) <= room {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
