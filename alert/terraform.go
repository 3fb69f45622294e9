package alert

import "fmt"

// terraform adds how to import a replacement. Terraform's state has the lost ID, so that
// the next plan would create a second flow log.
func terraform(t *lines, logs []FlowLog) {
	n := 0
	for _, f := range logs {
		if !plain(f.NewFlowLogID, "-") {
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

// cloudFormation adds what to do about flow logs that a stack has created. AWS's own tag
// names the stack.
func cloudFormation(t *lines, logs []FlowLog) {
	stacks := map[string]string{}
	for _, f := range logs {
		if name := f.Tags["aws:cloudformation:stack-name"]; name != "" && f.NewFlowLogID != "" {
			stacks[name] = f.Tags["aws:cloudformation:logical-id"]
		}
	}
	for n, name := range sortedKeys(stacks) {
		if n == listed {
			t.add("and so on for the other stacks")
			return
		}
		t.add("CloudFormation: stack " + name + " still names the lost one" + ifAny(" as ", stacks[name]) +
			": an update that replaces it fails with AlreadyExists; give it DeletionPolicy: Retain, take it out of the template, and import the new one")
	}
}
