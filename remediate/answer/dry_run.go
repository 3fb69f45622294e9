package answer

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/remediate/incident"
)

// OfDryRun classes what CreateFlowLogs answered to a dry run: [incident.Created] where
// it would have been allowed, also if a flow log stands in its way; otherwise as
// [OfCreate] does.
func OfDryRun(out *ec2.CreateFlowLogsOutput, err error) incident.Answer {
	allowed := incident.Answer{Class: incident.Created}
	if errorCode(err) == "DryRunOperation" {
		return allowed
	}
	a := OfCreate(out, err)
	switch a.Class {
	case incident.Created, incident.AlreadyThere, incident.TokenMismatch:
		return allowed
	}
	return a
}
