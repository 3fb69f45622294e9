package alert

import "fmt"

// lines are a text in the making.
type lines []string

func (t *lines) add(s string) { *t = append(*t, s) }

// put adds "key: value", or nothing if there is no value.
func (t *lines) put(key, value string) {
	if value != "" {
		t.add(key + ": " + value)
	}
}

// listed bounds how many flow logs a text spells out: one call can delete a
// thousand. The JSON has them all.
const listed = 20

// list adds one line a flow log.
func (t *lines) list(heading string, a Alert, logs []FlowLog) {
	if len(logs) == 0 {
		return
	}
	t.add(heading + ":")
	for _, f := range logs[:min(len(logs), listed)] {
		t.add("  " + f.Line(a))
	}
	if more := len(logs) - listed; more > 0 {
		t.add(fmt.Sprintf("  and %d more", more))
	}
}

// ifAny is s behind other words, or nothing where there is no s.
func ifAny(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
