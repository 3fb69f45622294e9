package incident

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// TelemetryTag is the key of a tag on flow logs that CloudWatch's telemetry enablement rules
// made. Anybody who may call CreateTags can set it, so that it proves nothing.
const TelemetryTag = "CloudWatchTelemetryRuleManaged"

// telemetryPath is the path of the service-linked role of these rules, whose name AWS may
// change. Only AWS makes roles with such a path.
const telemetryPath = "role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/"

// TelemetryRole is the ARN of that role in the account of a scope, with the name that AWS
// gives it now.
func TelemetryRole(s inventory.Scope) string {
	return "arn:" + inventory.Partition(s.Region) + ":iam::" + s.Account + ":" + telemetryPath + "AWSServiceRoleForObservabilityAdmin_TelemetryEnablement"
}

// TelemetryWait is how long the role's deletions wait for its replacement, where no rule of
// the configuration is for that role. When a telemetry rule changes, AWS makes the new flow
// log before or after it deletes the old one.
const TelemetryWait = 15 * time.Minute

var telemetryRule = Rule{Action: Wait, Wait: TelemetryWait, Level: alert.Low}

// isTelemetryRole reports whether a principal is the role of the telemetry rules in the
// account that a record is about. A pattern could not say so for each partition: a user's
// path may hold colons, and so what looks like the role of another ARN.
func isTelemetryRole(account, principal string) bool {
	role, err := arn.Parse(principal)
	isIAMs := err == nil && role.Service == "iam" && role.Region == ""
	if !isIAMs || role.AccountID != account || !isAccount(account) {
		return false
	}
	name, ok := strings.CutPrefix(role.Resource, telemetryPath)
	return ok && name != "" && !strings.Contains(name, "/")
}

// trustsTelemetry reports whether a principal is the role of the telemetry rules, and no rule
// of the configuration says that its deletions are restored like anybody else's. What it
// makes is no decoy.
func (p Policy) trustsTelemetry(account, principal string) bool {
	return isTelemetryRole(account, principal) && p.RuleFor(account, principal).Action != Restore
}

// ReplacedByTelemetry reports whether an incident is closed because CloudWatch's telemetry rules have
// replaced the flow log.
func ReplacedByTelemetry(i Incident) bool {
	return i.closedAs(Replaced) && isTelemetryRole(i.Scope.Account, i.Actor.Principal())
}

// isOwnLogGroup reports whether a destination is a log group of the scope's account.
func isOwnLogGroup(s inventory.Scope, destination string) bool {
	group, err := arn.Parse(destination)
	return err == nil && group.Service == "logs" && group.AccountID == s.Account
}
