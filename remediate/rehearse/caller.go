package rehearse

import (
	"strings"
)

// callerOf names whose an ARN is, alike for all sessions of a role and however
// AWS writes it: GetCallerIdentity and CloudTrail leave out a role's path, IAM
// has it. Empty where the text is no identity's ARN.
func callerOf(arn string) string {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "iam" && p[2] != "sts" || p[4] == "" {
		return ""
	}
	account, name := p[4], p[5]
	switch kind, rest, _ := strings.Cut(name, "/"); kind {
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		name = "role/" + role
	case "role":
		name = "role/" + rest[strings.LastIndex(rest, "/")+1:]
	}
	return account + ":" + name
}
