package configs

import "strings"

// pathFix is empty for a path that can be meant. Only shells replace ~ and
// variables; here they would be names of files.
func (l *loader) pathFix(path string) string {
	return PathFix(path, l.env["HOME"])
}

// PathFix says what to write instead of a path that begins with ~ or $, which a
// shell would have replaced; it is empty for every other path. home may be empty:
// it is not known.
func PathFix(path, home string) string {
	switch {
	case strings.HasPrefix(path, "~/") && strings.HasPrefix(home, "/"):
		return "~ is not replaced here: write " + strings.TrimSuffix(home, "/") + path[1:] + " (a file that is called so: ./~…)"
	case strings.HasPrefix(path, "~"):
		return "~ is not replaced here: write the whole path, from / on (a file that is called so: ./~…)"
	case strings.HasPrefix(path, "$"):
		return "variables are not replaced here: write the whole path, from / on (a file that is called so: ./$…)"
	}
	return ""
}
