package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

var (
	// unitID is the ID of an organisational unit, or of the root.
	unitID     = regexp.MustCompile(`^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$`)
	roleToName = regexp.MustCompile(`^[\w+=,.@/-]{1,512}$`)
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
	check.require(!strings.HasPrefix(o.RoleName, "arn:"), "organization.role_name", o.RoleName, "write the role's name (with its path, without the account): it is the same in each account")
	check.require(isName && !strings.HasPrefix(o.RoleName, "role/"), "organization.role_name", o.RoleName, "write a role's name, such as flowkeeper, or its path and name: security/flowkeeper")
	check.externalID("organization.external_id", o.ExternalID)
	if _, ok := iamARN(o.ListRoleARN, roleName); o.ListRoleARN != "" {
		check.require(ok, "organization.list_role_arn", o.ListRoleARN, "write a role's ARN such as arn:aws:iam::111122223333:role/flowkeeper-list")
	}
	check.members("organization.include", o.Include, nil)
	check.members("organization.exclude", o.Exclude, o.Include)
	for n, id := range o.Exclude { // if the root is excluded, only the accounts under accounts: are left
		left := !strings.HasPrefix(id, "r-") || len(c.Accounts) > 0 || slices.Contains(o.Include, id)
		check.require(left, fmt.Sprintf("organization.exclude[%d]", n), id, "is the root, and exclude wins, so that no account is left: write OUs or accounts")
	}
}

// members checks IDs of OUs and accounts. An ID that is also in included is a problem, because it would be
// included and excluded.
func (check checks) members(list string, ids, included []string) {
	for n, id := range ids {
		key := fmt.Sprintf("%s[%d]", list, n)
		check.require(unitID.MatchString(id) || accountID.MatchString(id), key, id, "write the ID of an OU (ou-ab12-34cdefgh), of the root (r-ab12), or of an account, its twelve digits in quotes")
		check.require(slices.Index(ids, id) == n, key, id, twice)
		check.require(!slices.Contains(included, id), key, id, "organization.include has it too, and exclude wins: keep one")
	}
}

// accounts checks the accounts. With an organisation, accounts without role_arn have organization.role_name.
func (check checks) accounts(accounts []Account, organization bool) {
	seen := map[string]bool{}
	own := -1 // the account that needs no role
	for n, a := range accounts {
		key := fmt.Sprintf("accounts[%d]", n)
		check.require(accountID.MatchString(a.ID), key+".id", a.ID, "write the account's twelve digits in quotes, leading zeros too, no dashes")
		check.require(!seen[a.ID], key+".id", a.ID, twice)
		seen[a.ID] = true
		check.require(len(a.Name) <= 128, key+".name", a.Name, "write at most 128 bytes")
		check.require(!accountID.MatchString(a.Name), key+".name", a.Name, "write no twelve digits: they would pass for the number of an account")
		check.regions(key+".regions", a.Regions)
		role := check.role(key+".role_arn", a.RoleARN, a.ID)
		sameAccount := role.AccountID == a.ID || !accountID.MatchString(a.ID)
		check.require(a.RoleARN == "" || sameAccount, key+".role_arn", a.RoleARN, "is a role of account %s, not of %s: write one of this account", role.AccountID, a.ID)
		if a.RoleARN == "" && !organization {
			check.require(a.ExternalID == "", key+".external_id", a.ExternalID, needsRole)
			check.require(own < 0, key+".role_arn", "", "write a role to assume: accounts[%d] has none either, and the credentials belong to one account", own)
			own = n
		}
		check.externalID(key+".external_id", a.ExternalID)
	}
}

const needsRole = "needs role_arn: it is sent when the role is assumed"

// role checks the ARN of a role, which may be empty. account is the account of the example in the problem.
func (check checks) role(key, text, account string) arn.ARN {
	if !accountID.MatchString(account) {
		account = sampleAccount
	}
	role, ok := iamARN(text, roleName)
	check.require(ok || text == "", key, text, "write a role's ARN such as arn:aws:iam::%s:role/flowkeeper", account)
	return role
}

func (check checks) externalID(key, id string) {
	check.require(id == "" || len(id) <= 1224 && externalID.MatchString(id), key, id, "write 2 to 1224 letters, digits and +=,.@:/-_, as in the role's trust policy")
}
