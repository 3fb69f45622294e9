package configs

import (
	"errors"
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

var errSize = errors.New("not a size")

func parseSize(text string) (Size, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			if !isInt(number) || number[0] == '-' {
				return 0, errSize
			}
			n, err := strconv.ParseInt(number, 10, 32) // 32 bits: times 2^30 it fits into 64
			return Size(n) * u.bytes, err
		}
	}
	return 0, errSize
}
