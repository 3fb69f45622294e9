package nearest

import (
	"slices"
	"strings"
)

// Word returns the known word with the smallest edit distance to a wrong one, or nothing
// if more than a third of the letters would change. One change is always allowed.
func Word(wrong string, known []string) string { return first(Words(wrong, known)) }

// Words is like Word, but if several words are equally near, it returns all of them.
func Words(wrong string, known []string) []string {
	return within(max(1, len(wrong)/3), strings.ToLower(wrong), known)
}

// ID returns the only known ID that begins with wrong; if several do, it returns nothing. If none
// does, it returns the nearest ID, or nothing if more than two characters would change: the digits
// of IDs are random, so that among many IDs some are alike.
func ID(wrong string, known []string) string {
	begins := func(k string) bool { return wrong != "" && strings.HasPrefix(k, wrong) }
	if n := slices.IndexFunc(known, begins); n >= 0 {
		if slices.ContainsFunc(known[n+1:], begins) {
			return ""
		}
		return known[n]
	}
	return first(within(min(2, len(wrong)/3), wrong, known))
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// within returns the known words with the smallest distance to wrong, if it is at most the distance most.
func within(most int, wrong string, known []string) (nearest []string) {
	for _, k := range known {
		d := distance(wrong, strings.ToLower(k))
		if d < most {
			nearest, most = nil, d
		}
		if d == most {
			nearest = append(nearest, k)
		}
	}
	return nearest
}

// distance is how many bytes must be changed, added or dropped. Two neighbours in the wrong order are one change.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				change = min(change, before[j-1]+1)
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
		}
		before, row = row, next
	}
	return row[len(b)]
}
