package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// ownAccount in a rule's principal stands for the account that a record is
// about; incident.OwnAccount is the same.
const ownAccount = "{account}"

// sampleAccount is the account of examples. It stands for ownAccount while the rest of a principal is checked.
const sampleAccount = "111122223333"

// rule checks a rule. With an organisation, it is not known here which accounts are protected.
func (check checks) rule(key string, r Rule, accounts []Account, organization bool) {
	principal := strings.ReplaceAll(r.Principal, ownAccount, sampleAccount)
	part, err := parseARN(principal)
	_, isPrincipal := iamARN(principal, principalName)
	allKnown := len(accounts) > 0 && !organization && !check.faulty("accounts")
	written, _ := arn.Parse(r.Principal)
	anyAccount := err == nil && written.AccountID == ownAccount
	protected := anyAccount || slices.ContainsFunc(accounts, func(a Account) bool { return a.ID == part.AccountID })
	check.require(!strings.ContainsAny(strings.ReplaceAll(r.Principal, ownAccount, ""), "{}"), key+".principal", r.Principal, "of words in braces only {account} is known: it stands for the account that a record is about")
	if err == nil && part.Service == "sts" && sessionOfRole.MatchString(part.Resource) {
		check.sessionInRule(key+".principal", r.Principal)
	}
	check.require(err != nil || accountID.MatchString(part.AccountID), key+".principal", r.Principal, "write the account's twelve digits: * never stands for an account")
	check.require(isPrincipal, key+".principal", r.Principal, "write the ARN of a role or user, such as arn:aws:iam::111122223333:role/terraform")
	check.require(!allKnown || protected, key+".principal", r.Principal, "account %s is not one of accounts: nobody else may loosen anything; add the account, or remove the rule", part.AccountID)
	check.oneOf(key+".action", r.Action, "restore", "wait", "alert", "ignore")
	waits, hasWait := r.Action == "wait", check.written(key+".wait")
	check.require(hasWait || !waits, key+".wait", "", "write how long to wait, such as 15m")
	check.require(waits || !hasWait, key+".wait", Tidy(r.Wait), "goes with action: wait only: remove it, or write that action")
	if waits {
		check.between(key+".wait", r.Wait, time.Second, 24*time.Hour)
	}
}

// sessionInRule reports that a rule names a session, and says how records name the session's role.
func (check checks) sessionInRule(key, principal string) {
	part, _ := parseARN(principal)
	name := strings.Split(part.Resource, "/")[1]
	role, known := asRecorded(name)
	hint := ""
	if !known {
		hint = " (and its path before the name, if it has one: records have it)"
	}
	check.problem(key, principal, "is a session: write its role as records name it, arn:%s:iam::%s:%s%s", part.Partition, part.AccountID, role, hint)
}

// asRecorded is the role of a session as CloudTrail names it
// (sessionContext.sessionIssuer.arn): with its path, which a session's own ARN
// lacks. known is false for a role whose path only its owner knows.
func asRecorded(name string) (role string, known bool) {
	switch {
	case strings.HasPrefix(name, ssoName):
		return "role/aws-reserved/sso.amazonaws.com/*" + name, true // the * is empty, or a Region and a slash
	case strings.HasPrefix(name, linkedName):
		return "role/aws-service-role/*" + name, true // the * is the service and a slash
	}
	return "role/" + name, false
}

const (
	ssoName    = "AWSReservedSSO_"   // a role of IAM Identity Center
	linkedName = "AWSServiceRoleFor" // a service-linked role
)

// reservedPath begins the roles that only AWS makes: iam:CreateRole refuses it.
var reservedPath = regexp.MustCompile(`^role/aws-(reserved|service-role)/`)

// pathsInRecords are the paths that records have of the roles that AWS makes, by the beginning of the role's name.
var pathsInRecords = map[string]*regexp.Regexp{
	ssoName:    regexp.MustCompile(`^role/aws-reserved/sso\.[a-z.]+/([a-z0-9-]+/)?$`),
	linkedName: regexp.MustCompile(`^role/aws-service-role/[a-z0-9.-]+/$`),
}

// neverRecorded returns the role that was probably meant, if no record can have the resource:
// records name AWS's own roles with their path. Empty: records may have it.
func neverRecorded(resource string) string {
	for begin, path := range pathsInRecords {
		before, rest, found := strings.Cut(resource, begin)
		isPath := strings.HasPrefix(before, "role/") && strings.HasSuffix(before, "/") && !strings.Contains(before, "*")
		if found && isPath && !path.MatchString(before) {
			role, _ := asRecorded(begin + rest)
			return role
		}
	}
	return ""
}

// openTo returns who can create a principal that matches a pattern. Empty: the pattern has no *, or
// only AWS and the administrators of IAM Identity Center can.
func openTo(resource string) string {
	before, _, star := strings.Cut(resource, "*")
	switch {
	case !star:
		return ""
	case reservedPath.MatchString(before):
		name := strings.Trim(resource[strings.LastIndex(resource, "/")+1:], "*")
		if strings.Trim(strings.TrimPrefix(name, ssoName), "*_") != "" && strings.Trim(strings.TrimPrefix(name, linkedName), "*") != "" {
			return ""
		}
		return "everybody whom AWS gives such a role: name the permission set, or the service"
	case strings.HasPrefix(before, "role/"):
		return "anybody who may call iam:CreateRole, by a role of such a name: write a rule for each role, without *"
	case strings.HasPrefix(before, "user/"):
		return "anybody who may call iam:CreateUser, by a user of such a name: write a rule for each user, without *"
	}
	return "everybody in the account, its root user too: write a rule for each role, without *"
}

// ruleWarnings returns the warnings about rules that never match, and about rules with another
// action than restore: after a deletion that they match, the flow log is not restored at once.
func ruleWarnings(rules []Rule) (out []Warning) {
	for n, r := range rules {
		at := fmt.Sprintf("remediate.rules[%d]", n)
		part, _ := parseARN(r.Principal) // it was checked
		role, who := neverRecorded(part.Resource), openTo(part.Resource)
		warnIf(role != "", &out, "%s never matches: records name such a role with its path; write arn:%s:iam::%s:%s", at, part.Partition, part.AccountID, role)
		warnIf(who != "" && r.Action != "restore", &out, "%s: the * in %s opens action %s to %s", at, part.Resource, r.Action, who)
		warnIf(r.Action == "ignore", &out, "%s: ignore lets %s delete flow logs for good, and a record's principal is only a claim; see that the queue's policy lets nobody but the rule send", at, r.Principal)
	}
	return out
}
