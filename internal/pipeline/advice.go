package pipeline

import (
	"flowkeeper/alert"
	"flowkeeper/internal/scopes"
)

// partOf is the part for those failures of p that have a cause: it has an outage, and advice, of its own. Without
// a cause it is p.
func partOf(p alert.Part, c scopes.Cause) alert.Part {
	if c == "" {
		return p
	}
	return p + alert.Part(" "+c)
}

// advice says what to do when a part fails. A key is a whole part, or the first word of parts.
var advice = map[alert.Part]string{
	alert.PartQueue:                               "make the queue again, or give access back: no restart is needed. `flowkeeper doctor` says what is missing; see who did it (docs/troubleshoot.md#queue-lost)",
	alert.PartRefresh:                             "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#refresh-fails)",
	partOf(alert.PartRefresh, scopes.Denied):      "allow ec2:DescribeFlowLogs to Flowkeeper's role there, and see who took it away. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",
	partOf(alert.PartRefresh, scopes.DeniedBySCP): "a service control policy denies ec2:DescribeFlowLogs: exempt Flowkeeper's role in that policy. If the Region is denied on purpose, remove it from inventory.regions or from the account's regions. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",

	alert.PartAWS:          "see network, DNS, proxy and credentials of the daemon's machine: `flowkeeper doctor` there tells which (docs/troubleshoot.md#aws-unreachable)",
	alert.PartOrganization: "run `flowkeeper doctor`: it says what is refused. Until it works, accounts that join the organisation are not protected (docs/troubleshoot.md#accounts-unlisted)",
	alert.PartAccount:      "deploy deploy/cloudformation/flowkeeper-member.yaml there, which makes the role (docs/organization.md), or correct the role: its trust policy must name Flowkeeper's own role or user, and the external ID. Flowkeeper needs sts:AssumeRole on it, and no service control policy may deny that: `flowkeeper doctor` says what is refused (docs/troubleshoot.md#account-refused)",
	alert.PartRegions:      "allow ec2:DescribeRegions to Flowkeeper's role in the account, and see that no service control policy denies it; or name the Regions: inventory.regions, or the account's regions. `flowkeeper doctor` says what is refused (docs/troubleshoot.md#regions-unknown)",
	alert.PartDeparted:     "where nobody of yours did it, see who called RemoveAccountFromOrganization, LeaveOrganization, MoveAccount or CloseAccount, and take it back: Flowkeeper goes on by itself then. Where it was meant, resolve this alert (docs/troubleshoot.md#account-departed)",
	alert.PartBackup:       "see that the bucket is there and takes it: `flowkeeper doctor` (docs/troubleshoot.md#copy-fails)",
	alert.PartLogFiles:     "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#log-files-unread)",
	alert.PartState:        "run `flowkeeper doctor` on the daemon's machine; where nobody of yours did it, find out who (docs/troubleshoot.md#state-file-taken)",
}
