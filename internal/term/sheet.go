package term

import "strings"

// Sheet describes one object: a line with a key for each value that is not empty. Its
// texts are cleaned (I12).
type Sheet struct {
	Indent string
	lines  [][2]string
}

// Put adds a line, unless the value is empty.
func (s *Sheet) Put(key, value string) {
	if value != "" {
		s.lines = append(s.lines, [2]string{s.Indent + Clean(key), Clean(value)})
	}
}

// leastValue is how many cells of the terminal a value gets at least.
const leastValue = 30

// Sheet prints s: the values aligned, and wrapped where the terminal ends.
func (o *Output) Sheet(s *Sheet) {
	keys, room := 0, 0
	for _, l := range s.lines {
		keys = max(keys, screen.StringWidth(l[0]))
	}
	if o.Columns > 0 {
		room = max(leastValue, o.Columns-keys-gap)
	}
	for _, l := range s.lines {
		o.Printf("%s%s\n", screen.FillRight(l[0], keys+gap), strings.Join(Wrap(l[1], room), "\n"+strings.Repeat(" ", keys+gap)))
	}
}

// Wrap breaks a text between words into lines of at most room cells; room 0: it breaks
// nothing. A longer word stays whole: people copy it, and the terminal breaks it.
func Wrap(text string, room int) []string {
	if room == 0 || screen.StringWidth(text) <= room {
		return []string{text}
	}
	var lines []string
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last >= 0 && screen.StringWidth(lines[last])+1+screen.StringWidth(word) <= room {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
