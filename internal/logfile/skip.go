package logfile

import "bytes"

// object follows a JSON object to its end, piece by piece. It tracks braces and strings only, and
// jumps from one brace, quote or backslash to the next, because a loop over every byte of a log file
// would be slower. The zero value is before the object's opening brace.
type object struct {
	depth   int  // of braces
	quoted  bool // within a string
	escaped bool // the next byte follows a backslash
}

var quote = []byte{'"'}

// skip follows the object through the next piece of it. It returns how many bytes of the piece
// belong to the object, and whether the object ends there.
func (o *object) skip(b []byte) (n int, ended bool) {
	at := 0
	if o.escaped && len(b) > 0 {
		at, o.escaped = 1, false
	}
	opening, closing, slash := index(b, at, '{'), index(b, at, '}'), index(b, at, '\\')
	for {
		brace := min(opening, closing)
		for slash < brace { // what follows a backslash is neither a quote nor a brace
			o.count(b[at:slash])
			if at = slash + 2; at > len(b) {
				o.escaped = true
				return len(b), false
			}
			slash = index(b, at, '\\')
			if brace < at {
				opening, closing = index(b, at, '{'), index(b, at, '}')
				brace = min(opening, closing)
			}
		}
		o.count(b[at:brace])
		if brace == len(b) {
			return len(b), false
		}
		at = brace + 1
		if brace == opening {
			opening = index(b, at, '{')
			if !o.quoted {
				o.depth++
			}
			continue
		}
		closing = index(b, at, '}')
		if !o.quoted {
			if o.depth--; o.depth <= 0 {
				return at, true
			}
		}
	}
}

// count notes the quotes in a text without backslashes.
func (o *object) count(b []byte) {
	if bytes.Count(b, quote)%2 == 1 {
		o.quoted = !o.quoted
	}
}

// index returns where c is in b, from a position on; the length of b if it is not.
func index(b []byte, from int, c byte) int {
	if n := bytes.IndexByte(b[from:], c); n >= 0 {
		return from + n
	}
	return len(b)
}
