package configs

import (
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a unit: 512KiB, 64MiB, 1GiB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size with the largest unit of which it is a multiple.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}

// parseSize parses a size; ok is false if the text is none.
func parseSize(text string) (s Size, ok bool) {
	for _, u := range units {
		if number, found := strings.CutSuffix(text, u.name); found && isInt(number) {
			n, _ := strconv.Atoi(number) // isInt allows 32 bits: times 2^30 they fit into 64
			return Size(n) * u.bytes, n >= 0
		}
	}
	return 0, false
}
