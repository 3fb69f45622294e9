package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowkeeper/internal/detection"
)

// mutants are texts of a rule's file that are wrong in one place, by what is wrong.
func mutants(t *testing.T, r detection.SigmaRule, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	change := func(what, from, to string) {
		if strings.Count(text, from) != 1 {
			t.Fatalf("%s has %q %d times, want once", r.File, from, strings.Count(text, from))
		}
		out[what] = strings.Replace(text, from, to, 1)
	}
	code := "    errorCode: null\n"
	if !strings.Contains(text, code) {
		code = "    errorCode|exists: true\n"
	}
	change("no word about errorCode", code, "")
	if code == "    errorCode: null\n" {
		change("refused calls", code, "    errorCode|exists: true\n")
	} else {
		change("calls that were done", code, "    errorCode: null\n")
	}
	change("a text for null", code, "    errorCode: 'null'\n")
	for field, value := range map[string]string{"eventCategory": "Management", "eventType": "AwsApiCall"} {
		clause := "    " + field + ":\n      - " + value + "\n      - null\n"
		change("any "+field, clause, "")
		change("only an "+field+" that is there", clause, "    "+field+": "+value+"\n")
		change("only without "+field, clause, "    "+field+": null\n")
		change("another "+field, clause, "    "+field+":\n      - Other\n      - null\n")
	}
	change("any source", "    eventSource: "+r.EventSource+"\n", "")
	change("another source", "eventSource: "+r.EventSource, "eventSource: lambda.amazonaws.com")
	change("the opposite", "condition: selection", "condition: not selection")
	name := strings.TrimSuffix(r.EventSource, aws)
	if len(r.EventNames) == 1 {
		change("an event more", "    eventName: "+r.EventNames[0]+"\n", "    eventName: ["+r.EventNames[0]+", "+nearby[name][0]+"]\n")
		change("the event spelt wrong", "eventName: "+r.EventNames[0], "eventName: "+r.EventNames[0]+"s")
		return out
	}
	change("an event more", "    eventName:\n", "    eventName:\n      - "+nearby[name][0]+"\n")
	for _, e := range r.EventNames {
		change("without "+e, "      - "+e+"\n", "")
	}
	return out
}

// TestEveryMutantIsNoticed: if a rule's file says something else than the code, TestFilesAndCodeAgree would
// fail. So its records are enough to compare the two.
func TestEveryMutantIsNoticed(t *testing.T) {
	t.Parallel()
	sets, of := map[string]map[string]string{}, map[string]string{}
	for _, r := range detection.Rules() {
		for what, text := range mutants(t, r, files(t)[r.File]) {
			name := fmt.Sprintf("%s: %s", r.File, what)
			sets[name], of[name] = map[string]string{r.File: text}, r.File
		}
	}
	records := corpus()
	var should []string
	for _, r := range records {
		should = append(should, expected(r, judged(t, r)))
	}
	for name, matched := range evaluate(t, records, sets) {
		file := of[name]
		noticed := false
		for i := range records {
			noticed = noticed || slices.Contains(matched[i], file) != (should[i] == file)
		}
		if !noticed {
			t.Errorf("%s: nothing in the corpus tells it from the real rule", name)
		}
	}
	t.Logf("%d mutants", len(sets))
}
