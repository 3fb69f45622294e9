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

// maxCell is how wide a column gets on a terminal, in characters; `show` tells
// the rest.
const maxCell = 72

// tableBlock is how many rows are held to find the columns' widths: a list of
// any length stays small in memory.
const tableBlock = 1000

// table prints aligned columns. Its texts are cleaned (I12).
type table struct {
	w      io.Writer
	color  bool
	cut    bool // cells that are wider than maxCell
	header []string
	widths []int
	rows   [][]cell
	begun  bool
}

func (a *app) table(w io.Writer, header ...string) *table {
	t := &table{w: w, color: a.colors(), cut: a.terminal, header: header, widths: make([]int, len(header))}
	for i, h := range header {
		t.widths[i] = len(h)
	}
	return t
}

// add one row; an empty cell shows a dash.
func (t *table) add(cells ...cell) error {
	for i, c := range cells {
		if c.text = clean(c.text); t.cut {
			c.text = shorten(c.text)
		}
		if c.text == "" {
			c = cell{"-", dim}
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

func shorten(s string) string {
	if r := []rune(s); len(r) > maxCell {
		return string(r[:maxCell-1]) + "…"
	}
	return s
}

// flush prints what is held. A table without rows prints nothing.
func (t *table) flush() error {
	if len(t.rows) > 0 && !t.begun {
		t.begun = true
		var head []cell
		for _, h := range t.header {
			head = append(head, cell{h, bold})
		}
		t.rows = append([][]cell{head}, t.rows...)
	}
	for _, row := range t.rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(paint(t.color, c.color, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		if _, err := fmt.Fprintln(t.w, b.String()); err != nil {
			return err
		}
	}
	t.rows = nil
	return nil
}

// sheet prints what is known of one thing: a line for each value there is.
type sheet struct {
	lines [][2]string
}

func (s *sheet) put(key, value string) {
	if value != "" {
		s.lines = append(s.lines, [2]string{clean(key), clean(value)})
	}
}

func (s *sheet) write(w io.Writer) error {
	width := 0
	for _, l := range s.lines {
		width = max(width, utf8.RuneCountInString(l[0]))
	}
	for _, l := range s.lines {
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}
