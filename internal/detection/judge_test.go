package detection

import (
	"strings"
	"testing"

	"flowkeeper/internal/cloudtrail"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	record := func(change func(*cloudtrail.Record)) cloudtrail.Record {
		r := cloudtrail.Record{EventSource: cloudtrail.EC2, EventName: cloudtrail.DeleteFlowLogs, FlowLogIDs: []string{"fl-00000001", "fl-00000002"}}
		if change != nil {
			change(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		record          cloudtrail.Record
		kind            Kind // empty: no finding
		deleted, failed string
	}{
		"deleted":        {record(nil), Deleted, "fl-00000001 fl-00000002", ""},
		"partly refused": {record(func(r *cloudtrail.Record) { r.Refused = []cloudtrail.Refusal{{FlowLogID: "fl-00000002"}} }), Deleted, "fl-00000001", "fl-00000002"},
		"refused for every ID": {record(func(r *cloudtrail.Record) {
			r.Refused = []cloudtrail.Refusal{{FlowLogID: "fl-00000002"}, {FlowLogID: "fl-00000001"}}
		}), Attempted, "", "fl-00000001 fl-00000002"},
		"refused whole":          {record(func(r *cloudtrail.Record) { r.ErrorCode = "Client.UnauthorizedOperation" }), Attempted, "", "fl-00000001 fl-00000002"},
		"dry run":                {record(func(r *cloudtrail.Record) { r.DryRun, r.ErrorCode = true, "Client.DryRunOperation" }), Attempted, "", "fl-00000001 fl-00000002"},
		"a dry run without code": {record(func(r *cloudtrail.Record) { r.DryRun = true }), Attempted, "", "fl-00000001 fl-00000002"},
		"omitted":                {record(func(r *cloudtrail.Record) { r.FlowLogIDs, r.IDsUnknown = nil, true }), Deleted, "", ""},
		"omitted and refused":    {record(func(r *cloudtrail.Record) { r.FlowLogIDs, r.IDsUnknown, r.ErrorCode = nil, true, "Client.X" }), Attempted, "", ""},
		"another service":        {record(func(r *cloudtrail.Record) { r.EventSource = "logs.amazonaws.com" }), "", "", ""},
		"another event":          {record(func(r *cloudtrail.Record) { r.EventName = "DescribeFlowLogs" }), "", "", ""},
		"created": {record(func(r *cloudtrail.Record) {
			r.EventName, r.CreatedIDs = cloudtrail.CreateFlowLogs, []string{"fl-00000003"}
		}), Created, "", ""},
		"rehearsed": {record(func(r *cloudtrail.Record) {
			r.EventName, r.DryRun, r.ClientToken, r.ErrorCode = cloudtrail.CreateFlowLogs, true, RehearsalToken+"x-1-1", "Client.UnauthorizedOperation"
		}), Rehearsed, "", ""},
		"another dry run": {record(func(r *cloudtrail.Record) {
			r.EventName, r.DryRun, r.ClientToken, r.ErrorCode = cloudtrail.CreateFlowLogs, true, "x", "Client.DryRunOperation"
		}), "", "", ""},
		"no dry run": {record(func(r *cloudtrail.Record) {
			r.EventName, r.ClientToken, r.ErrorCode = cloudtrail.CreateFlowLogs, RehearsalToken+"x-1-1", "Client.X"
		}), "", "", ""},
		"tampered": {record(func(r *cloudtrail.Record) { r.EventSource, r.EventName = "logs.amazonaws.com", "DeleteLogGroup" }), Tampered, "", ""},
		"refused to tamper": {record(func(r *cloudtrail.Record) {
			r.EventSource, r.EventName, r.ErrorCode = "logs.amazonaws.com", "DeleteLogGroup", "AccessDenied"
		}), "", "", ""},
		"torn down": {record(func(r *cloudtrail.Record) { r.EventName, r.VPC = cloudtrail.DeleteVPC, "vpc-1" }), TornDown, "", ""},
		"not torn down": {record(func(r *cloudtrail.Record) {
			r.EventName, r.VPC, r.ErrorCode = cloudtrail.DeleteVPC, "vpc-1", "Client.DependencyViolation"
		}), "", "", ""},
		"torn down in a dry run": {record(func(r *cloudtrail.Record) {
			r.EventName, r.VPC, r.DryRun = cloudtrail.DeleteVPC, "vpc-1", true
		}), "", "", ""},
		"torn down without a name":         {record(func(r *cloudtrail.Record) { r.EventName = cloudtrail.DeleteVPC }), "", "", ""},
		"created, and the IDs are omitted": {record(func(r *cloudtrail.Record) { r.EventName, r.IDsUnknown = cloudtrail.CreateFlowLogs, true }), Created, "", ""},
		"refused to create, and the IDs are omitted": {record(func(r *cloudtrail.Record) {
			r.EventName, r.IDsUnknown, r.ErrorCode = cloudtrail.CreateFlowLogs, true, "Client.X"
		}), "", "", ""},
		"no call":     {record(func(r *cloudtrail.Record) { r.NoCall = "AwsServiceEvent" }), "", "", ""},
		"not created": {record(func(r *cloudtrail.Record) { r.EventName = cloudtrail.CreateFlowLogs }), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, ok := Judge(c.record)
			if ok != (c.kind != "") || ok && f.Kind != c.kind {
				t.Fatalf("found %v, kind %s", ok, f.Kind)
			}
			var failed []string
			for _, x := range f.Failed {
				failed = append(failed, x.FlowLogID)
			}
			if ok && (f.Record.EventName != c.record.EventName || f.Record.EventSource != c.record.EventSource) {
				t.Errorf("the finding is of the record %+v", f.Record)
			}
			if hasRule := f.Kind != Rehearsed && f.Kind != TornDown; ok && hasRule != (f.Rule.ID != "") {
				t.Errorf("the finding is of the rule %+v", f.Rule)
			}
			for _, x := range f.Failed {
				if c.record.ErrorCode != "" && x.Code != c.record.ErrorCode {
					t.Errorf("%s was refused with %q", x.FlowLogID, x.Code)
				}
			}
			if ok && (strings.Join(f.Deleted, " ") != c.deleted || strings.Join(failed, " ") != c.failed) {
				t.Errorf("deleted %v, failed %v", f.Deleted, failed)
			}
		})
	}
}
