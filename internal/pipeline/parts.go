package pipeline

import (
	"flowkeeper/internal/scopes"
	"flowkeeper/remediate/notify"
)

// Parts in addition to those that the heartbeat also names (see [notify.Part]). Their text is in the state file.
const (
	StateFile       notify.Part = "state"        // the state file is there; no alert says that an outage of it has ended
	Listing         notify.Part = "organization" // the accounts can be listed
	Departed        notify.Part = "departed"     // an account is protected; with a further word, accounts that departed together are
	ReachingAccount notify.Part = "account"      // the credentials of an account work
	ListingRegions  notify.Part = "regions"      // the enabled Regions of an account can be asked for
)

// partOf is the part for those failures of p that have a cause: it has an outage, and advice, of its own. Without
// a cause it is p.
func partOf(p notify.Part, c scopes.Cause) notify.Part {
	if c == "" {
		return p
	}
	return p + notify.Part(" "+c)
}

// advice says what to do when a part fails. A key is a whole part, or the first word of parts.
var advice = map[notify.Part]string{
	notify.Receiving:                              "make the queue again, or give access back: no restart is needed. `flowkeeper doctor` says what is missing; see who did it (docs/troubleshoot.md#queue-lost)",
	notify.Refreshing:                             "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#refresh-fails)",
	partOf(notify.Refreshing, scopes.Denied):      "allow ec2:DescribeFlowLogs to Flowkeeper's role there, and see who took it away. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",
	partOf(notify.Refreshing, scopes.DeniedBySCP): "a service control policy denies ec2:DescribeFlowLogs: exempt Flowkeeper's role in that policy. If the Region is denied on purpose, remove it from inventory.regions or from the account's regions. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",

	notify.Reaching:        "see network, DNS, proxy and credentials of the daemon's machine: `flowkeeper doctor` there tells which (docs/troubleshoot.md#aws-unreachable)",
	Listing:                "run `flowkeeper doctor`: it says what is refused. Until it works, accounts that join the organisation are not protected (docs/troubleshoot.md#accounts-unlisted)",
	ReachingAccount:        "deploy deploy/cloudformation/flowkeeper-member.yaml there, which makes the role (docs/organization.md), or correct the role: its trust policy must name Flowkeeper's own role or user, and the external ID. Flowkeeper needs sts:AssumeRole on it, and no service control policy may deny that: `flowkeeper doctor` says what is refused (docs/troubleshoot.md#account-refused)",
	ListingRegions:         "allow ec2:DescribeRegions to Flowkeeper's role in the account, and see that no service control policy denies it; or name the Regions: inventory.regions, or the account's regions. `flowkeeper doctor` says what is refused (docs/troubleshoot.md#regions-unknown)",
	Departed:               "where nobody of yours did it, see who called RemoveAccountFromOrganization, LeaveOrganization, MoveAccount or CloseAccount, and take it back: Flowkeeper goes on by itself then. Where it was meant, resolve this alert (docs/troubleshoot.md#account-departed)",
	notify.Copying:         "see that the bucket is there and takes it: `flowkeeper doctor` (docs/troubleshoot.md#copy-fails)",
	notify.ReadingLogFiles: "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#log-files-unread)",
	StateFile:              "run `flowkeeper doctor` on the daemon's machine; where nobody of yours did it, find out who (docs/troubleshoot.md#state-file-taken)",
}
