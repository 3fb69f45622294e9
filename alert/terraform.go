package alert

import (
	"fmt"
	"strings"
)

// terraform tells what a replacement's new ID means for those who keep the
// flow log as code: their state names the lost ID, so the next plan would
// create a second one (aws-facts.md, "Someone else's state").
func terraform(t *lines, logs []FlowLog) {
	n := 0
	for _, f := range logs {
		if f.NewFlowLogID == "" || !plainID(f.NewFlowLogID) {
			continue
		}
		if n == 0 {
			t.add("If Terraform keeps it: `terraform state rm` the lost one's address, then plan with")
		}
		if n++; n > listed {
			t.add("and so on for the others (`flowkeeper incidents list`)")
			return
		}
		t.add("  import {")
		t.add(fmt.Sprintf("    to = aws_flow_log.NAME # was %s", f.FlowLogID))
		t.add(fmt.Sprintf("    id = %q", f.NewFlowLogID))
		t.add("  }")
	}
}

// plainID reports whether an ID can be pasted as code: letters, digits and
// hyphens, as AWS makes them.
func plainID(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
