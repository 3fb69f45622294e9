package detection

import (
	"strings"

	"flowkeeper/internal/cloudtrail"
)

// Findings returns a finding for each record that has one.
func Findings(records []cloudtrail.Record) (out []Finding) {
	for _, r := range records {
		if f, ok := Judge(r); ok {
			out = append(out, f)
		}
	}
	return out
}

// Judge returns the finding of a record; false: it has none.
//
// One difference from the Sigma files is on purpose: if AWS answered with status 200, but deleted
// or created nothing, a deletion is an attempt here, and a creation is no finding. A Sigma rule
// can't read the answer.
func Judge(r cloudtrail.Record) (Finding, bool) {
	if r.NoCall != "" {
		return Finding{}, false
	}
	if r.EventSource != cloudtrail.EC2 {
		rule, ok := tamperRule(r.EventSource, r.EventName)
		return Finding{Kind: Tampered, Rule: rule, Record: r}, ok && r.ErrorCode == ""
	}
	switch r.EventName {
	case cloudtrail.DeleteFlowLogs:
		return deletion(r), true
	case cloudtrail.CreateFlowLogs:
		if r.DryRun && strings.HasPrefix(r.ClientToken, RehearsalToken) {
			return Finding{Kind: Rehearsed, Record: r}, true
		}
		made := r.ErrorCode == "" && (len(r.CreatedIDs) > 0 || r.IDsUnknown)
		return Finding{Kind: Created, Rule: ruleOf(createdFile), Record: r}, made
	case cloudtrail.DeleteVPC:
		return Finding{Kind: TornDown, Record: r}, r.ErrorCode == "" && !r.DryRun && r.VPC != ""
	}
	return Finding{}, false
}

func deletion(r cloudtrail.Record) Finding {
	if r.ErrorCode != "" || r.DryRun {
		return attempt(r, func(id string) cloudtrail.Refusal {
			return cloudtrail.Refusal{FlowLogID: id, Code: r.ErrorCode, Message: r.ErrorText}
		})
	}
	refused := map[string]cloudtrail.Refusal{}
	for _, x := range r.Refused {
		refused[x.FlowLogID] = x
	}
	var gone []string
	for _, id := range r.FlowLogIDs {
		if _, no := refused[id]; !no {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 && !r.IDsUnknown {
		return attempt(r, func(id string) cloudtrail.Refusal { return refused[id] })
	}
	return Finding{Kind: Deleted, Rule: ruleOf(deletedFile), Record: r, Deleted: gone, Failed: r.Refused}
}

func attempt(r cloudtrail.Record, why func(id string) cloudtrail.Refusal) Finding {
	f := Finding{Kind: Attempted, Rule: ruleOf(attemptedFile), Record: r}
	for _, id := range r.FlowLogIDs {
		f.Failed = append(f.Failed, why(id))
	}
	return f
}
