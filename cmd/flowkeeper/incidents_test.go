package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"flowkeeper/remediate"
)

// sheetOf an incident, as show prints it.
func sheetOf(t *testing.T, i remediate.Incident) string {
	t.Helper()
	var out bytes.Buffer
	a := testApp(&out)
	if err := a.writeSheet(&out, a.incidentSheet(i)); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// When a flow log that a refresh found gone was deleted is not known, only when it
// was last seen.
func TestBlindTimeOfADriftIsAtMost(t *testing.T) {
	t.Parallel()
	i := incidents()[0]
	if got := sheetOf(t, i); !strings.Contains(got, "blind for 1.3 s") {
		t.Error(got)
	}
	i.Source, i.DeletedAt, i.LastSeenAt = remediate.ByDrift, time.Time{}, i.RestoredAt.Add(-72*time.Second)
	if got := sheetOf(t, i); !strings.Contains(got, "blind for at most 72 s") {
		t.Error(got)
	}
}
