package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// unitID is the ID of an organisational unit, or of the root.
	unitID     = regexp.MustCompile(`^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$`)
	roleToName = regexp.MustCompile(`^[\w+=,.@/-]{1,512}$`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

func (check checks) organization(c Config) {
	o := c.Organization
	check.schedule("organization.schedule", o.Schedule)
	if o.RoleName == "" {
		needs := func(key, value string) {
			check.require(value == "", key, value, "needs organization.role_name: without it, the organisation is not asked")
		}
		needs("organization.external_id", o.ExternalID)
		needs("organization.list_role_arn", o.ListRoleARN)
		needs("organization.include", strings.Join(o.Include, ", "))
		needs("organization.exclude", strings.Join(o.Exclude, ", "))
		return
	}
	isName := roleToName.MatchString(o.RoleName) && strings.Trim(o.RoleName, "/") == o.RoleName
	switch {
	case strings.HasPrefix(o.RoleName, "arn:"):
		check.problem("organization.role_name", o.RoleName, "write the role's name (with its path, without the account): it is the same in each account")
	case !isName || strings.HasPrefix(o.RoleName, "role/"):
		check.problem("organization.role_name", o.RoleName, "write a role's name, such as flowkeeper, or its path and name: security/flowkeeper")
	}
	check.externalID("organization.external_id", o.ExternalID)
	if _, ok := iamARN(o.ListRoleARN, roleName); o.ListRoleARN != "" {
		check.require(ok, "organization.list_role_arn", o.ListRoleARN, "write a role's ARN such as arn:aws:iam::111122223333:role/flowkeeper-list")
	}
	check.members("organization.include", o.Include, nil)
	check.members("organization.exclude", o.Exclude, o.Include)
	for n, id := range o.Exclude { // with the root excluded, those under accounts are left
		left := !strings.HasPrefix(id, "r-") || len(c.Accounts) > 0 || slices.Contains(o.Include, id)
		check.require(left, fmt.Sprintf("organization.exclude[%d]", n), id, "is the root, and exclude wins, so that no account is left: write OUs or accounts")
	}
}

// members checks IDs of OUs and accounts. What is among included can't be left out.
func (check checks) members(list string, ids, included []string) {
	for n, id := range ids {
		key := fmt.Sprintf("%s[%d]", list, n)
		switch {
		case !unitID.MatchString(id) && !accountID.MatchString(id):
			check.problem(key, id, "write the ID of an OU (ou-ab12-34cdefgh), of the root (r-ab12), or of an account, its twelve digits in quotes")
		case slices.Index(ids, id) != n:
			check.problem(key, id, "is there twice: keep one")
		case slices.Contains(included, id):
			check.problem(key, id, "organization.include has it too, and exclude wins: keep one")
		}
	}
}

func (check checks) logFiles(l LogFiles) {
	check.require(l.MaxBytes >= 1<<20 && l.MaxBytes <= 1<<40, "log_files.max_bytes", l.MaxBytes.String(), "write a size from 1MiB to 1024GiB")
	seen := map[string]bool{}
	for n, b := range l.Buckets {
		key := fmt.Sprintf("log_files.buckets[%d]", n)
		switch {
		case strings.HasPrefix(b.Name, "s3:") || strings.HasPrefix(b.Name, "arn:"):
			check.problem(key+".name", b.Name, "write the bucket's name: no s3:// and no ARN")
		case !bucketName.MatchString(b.Name):
			check.problem(key+".name", b.Name, "write the bucket's name alone, 3 to 63 lowercase letters, digits, dots and dashes: what follows it belongs in prefix")
		}
		check.require(!seen[b.Name] || b.Name == "", key+".name", b.Name, "is there twice: keep one")
		seen[b.Name] = true
		check.require(accountID.MatchString(b.Owner), key+".owner", b.Owner, "write the twelve digits of the account that owns the bucket, in quotes: a bucket of another account with this name is not read")
		check.require(!strings.HasPrefix(b.Prefix, "/") && !strings.ContainsAny(b.Prefix, "*?"), key+".prefix", b.Prefix, "write how keys begin, without / before it and without *")
		check.logPrefix(key+".prefix", b.Prefix)
		check.role(key+".role_arn", b.RoleARN, b.Owner)
		check.require(b.ExternalID == "" || b.RoleARN != "", key+".external_id", b.ExternalID, needsRole)
		check.externalID(key+".external_id", b.ExternalID)
	}
}

// logPrefix refuses the prefix of what CloudTrail writes beside its log files. Before AWSLogs/, where a
// trail's own prefix stands, the same words may be.
func (check checks) logPrefix(key, prefix string) {
	const logs = "AWSLogs/"
	before := strings.LastIndex(prefix, logs)
	begin, rest := logs, prefix
	if before >= 0 {
		begin, rest = prefix[:before+len(logs)], prefix[before+len(logs):]
	}
	const fix = "no key of a log file begins so, only those of CloudTrail's %s: write how the keys of log files begin, such as %s"
	switch {
	case strings.Contains(rest, "CloudTrail-Digest"):
		check.problem(key, prefix, fix, "digests", begin)
	case strings.Contains(rest, "CloudTrail-Insight"):
		check.problem(key, prefix, fix, "Insights events", begin)
	}
}

func (check checks) externalID(key, id string) {
	check.require(id == "" || len(id) <= 1224 && externalID.MatchString(id), key, id, "write 2 to 1224 letters, digits and +=,.@:/-_, as in the role's trust policy")
}
