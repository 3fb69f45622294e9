package remediate

import (
	"slices"
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

// isOurs reports whether a rehearsal with this identity in its record was made
// by a Flowkeeper: by this one's own principal, or by one that the configuration
// names. Any principal can make a dry run and put a rehearsal's token into it.
func (w Way) isOurs(identity string, others []string) bool {
	who := callerOf(identity)
	return who != "" && (who == w.By || slices.ContainsFunc(others, func(arn string) bool { return callerOf(arn) == who }))
}
