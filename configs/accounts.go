package configs

import (
	"fmt"
)

func (v validator) checkAccounts(accounts []Account) {
	seen := map[string]bool{}
	own := -1 // the account that needs no role
	for n, a := range accounts {
		key := fmt.Sprintf("accounts[%d]", n)
		if !accountID.MatchString(a.ID) {
			v.problem(key+".id", a.ID, "write the account's twelve digits in quotes, leading zeros too, no dashes")
		} else if seen[a.ID] {
			v.problem(key+".id", a.ID, "is there twice: keep one")
		}
		seen[a.ID] = true
		if a.RoleARN == "" {
			if a.ExternalID != "" {
				v.problem(key+".external_id", a.ExternalID, "needs role_arn: it is sent when the role is assumed")
			}
			if own >= 0 {
				v.problem(key+".role_arn", "", "write a role to assume: accounts[%d] has none either, and the credentials belong to one account", own)
			}
			own = n
			continue
		}
		part, ok := iamARN(a.RoleARN, roleName)
		switch {
		case !ok:
			v.problem(key+".role_arn", a.RoleARN, "write a role's ARN such as arn:aws:iam::%s:role/flowkeeper", orExample(a.ID))
		case part.AccountID != a.ID && accountID.MatchString(a.ID):
			v.problem(key+".role_arn", a.RoleARN, "is a role of account %s, not of %s: write one of this account", part.AccountID, a.ID)
		}
		if a.ExternalID != "" && (len(a.ExternalID) > 1224 || !externalID.MatchString(a.ExternalID)) {
			v.problem(key+".external_id", a.ExternalID, "write 2 to 1224 letters, digits and +=,.@:/-_, as in the role's trust policy")
		}
	}
}

func orExample(id string) string {
	if accountID.MatchString(id) {
		return id
	}
	return "111122223333"
}
