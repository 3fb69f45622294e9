package alert

import "fmt"

// terraform adds how to import a replacement. Terraform's state has the lost ID, so its
// next apply would create a second flow log.
func terraform(t *lines, logs []FlowLog) {
	n := 0
	for _, f := range logs {
		if !plain(f.NewFlowLogID, "-") {
			continue
		}
		if n == 0 {
			t.add("If Terraform manages it: run `terraform state rm` with the address of the lost one, then plan with this block")
		}
		if n++; n > mostListed {
			t.add("and the same for the others (`flowkeeper incidents list`)")
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
		if n == mostListed {
			t.add("and the same for the other stacks")
			return
		}
		t.add("CloudFormation: stack " + name + " still has the lost flow log" + ifAny(" as ", stacks[name]) +
			": an update that replaces it fails with AlreadyExists. Set its DeletionPolicy to Retain, remove it from the template, and import the new flow log")
	}
}
