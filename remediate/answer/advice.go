package answer

import (
	"regexp"
	"strings"

	"flowkeeper/remediate/incident"
)

// denial is what an answer of AWS names: which action on which resource it refuses, and
// because of which kind of policy. Fields that the answer does not name are empty.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
type denial struct {
	action, resource string
	policy           string // "service control policy"
	explicit         bool   // that policy has a Deny; otherwise it lacks an Allow
}

var (
	deniedAction   = regexp.MustCompile(`(?i)not authorized to perform:? ([a-z0-9-]{1,40}:[a-z0-9]{1,80})(?: on (?:the )?resource:? "?([!#-~]{1,300}))?`)
	explicitDeny   = regexp.MustCompile(`(?i)explicit deny in (?:an?|the) ([a-z -]{1,40}?)(?:[:.,]|$)`)
	noneAllows     = regexp.MustCompile(`(?i)because no ([a-z -]{1,40}?) allows`)
	encodedMessage = regexp.MustCompile(`(?i)(encoded authorization failure message):? ?[^ ]*`)
	refusedTagKey  = regexp.MustCompile(`(?i)tag keys?:? ["'\x60]([^"'\x60]{1,128})["'\x60]`)
	linkedService  = regexp.MustCompile(`/aws-service-role/([a-z0-9.-]{1,100})/`)
)

// deniedBy reads a denial from AWS's message; false where no action is named.
func deniedBy(message string) (denial, bool) {
	found := deniedAction.FindStringSubmatch(message)
	if found == nil {
		return denial{}, false
	}
	d := denial{action: found[1], resource: strings.TrimRight(found[2], `.,;:)"'`)}
	if p := explicitDeny.FindStringSubmatch(message); p != nil {
		d.policy, d.explicit = strings.TrimSpace(p[1]), true
	} else if p := noneAllows.FindStringSubmatch(message); p != nil {
		d.policy = strings.TrimSpace(p[1])
	}
	return d, true
}

// advice says what to allow, and where.
func (d denial) advice() string {
	what := d.action
	if d.resource != "" {
		what += " on " + d.resource
	}
	identity := d.policy == "" || strings.HasPrefix(strings.ToLower(d.policy), "identity-based")
	switch {
	case d.explicit && identity:
		return "a policy of Flowkeeper's own role denies " + what + ": take that Deny away, an Allow beside it does not help"
	case d.explicit:
		return "a " + d.policy + " denies " + what + ": change that policy, an Allow elsewhere does not help"
	case !identity:
		return "no " + d.policy + " allows " + what + ": allow it there"
	}
	return "allow " + what + d.condition()
}

// condition is the condition that the permission should have; empty: none.
func (d denial) condition() string {
	switch strings.ToLower(d.action) {
	case "ec2:createtags":
		if strings.Contains(d.resource, ":vpc-flow-log/fl-") {
			return ", with the condition of TagWhatIsRestored (deploy/iam-policy.json): flow logs with the tag " + incident.RestoredFrom
		}
		return ", with ec2:CreateAction CreateFlowLogs (TagWhatIsMade in deploy/iam-policy.json)"
	case "iam:passrole":
		return ", with iam:PassedToService vpc-flow-logs.amazonaws.com"
	case "iam:createservicelinkedrole":
		if s := linkedService.FindStringSubmatch(d.resource); s != nil {
			return ", with iam:AWSServiceName " + s[1] + ", or make the role once: aws iam create-service-linked-role --aws-service-name " + s[1]
		}
		return ", or make that role once: aws iam create-service-linked-role"
	}
	return ""
}

// withoutEncoded leaves out the encoded part of a message. It is longer than an alert, and nobody
// can decode it if its end is cut off.
func withoutEncoded(message string) string {
	return encodedMessage.ReplaceAllString(message, "$1 left out")
}

// DeniedAction returns the action that AWS refuses by its message; empty: it names none.
func DeniedAction(message string) string {
	d, _ := deniedBy(message)
	return d.action
}
