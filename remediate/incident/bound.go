package incident

import "strings"

// Bound makes text from outside short enough for an alert, and puts it on one line (I12).
func Bound(s string) string {
	const most = 500
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
