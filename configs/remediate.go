package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const minTokenKey = 32 // characters

func (v validator) checkRemediate(c Config) {
	r := c.Remediate
	v.oneOf("remediate.mode", r.Mode, "restore", "alert")
	v.oneOf("remediate.on_drift", r.OnDrift, "restore", "alert")
	v.between("remediate.drift_wait", r.DriftWait, 0, 24*time.Hour)
	v.between("remediate.verify_after", r.VerifyAfter, 0, 24*time.Hour)
	v.between("remediate.restore_interval", r.RestoreInterval, time.Second, 24*time.Hour)
	if r.MaxRestores < 1 {
		v.problem("remediate.max_restores", strconv.Itoa(r.MaxRestores), "write 1 or more; to restore nothing, set remediate.mode: alert")
	}
	if k := r.TokenKey; k != "" && len(k) < minTokenKey {
		v.problem("remediate.token_key", k, "has fewer than %d characters: make one with `openssl rand -hex 32`", minTokenKey)
	}
	first := map[string]int{}
	for n, rule := range r.Rules {
		key := fmt.Sprintf("remediate.rules[%d]", n)
		v.checkRule(key, rule, c.Accounts)
		if other, twice := first[rule.Principal]; twice {
			v.problem(key+".principal", rule.Principal, "rules[%d] has it already, and the first that fits counts: keep one", other)
		} else {
			first[rule.Principal] = n
		}
	}
}

// faulty reports whether a list, or something in it, has a problem. Other values are not
// compared with such a list.
func (v validator) faulty(list string) bool {
	for id := range v.reported {
		if _, key, _ := strings.Cut(id, "\x00"); key == list || strings.HasPrefix(key, list+"[") {
			return true
		}
	}
	return false
}

func (v validator) checkRule(key string, r Rule, accounts []Account) {
	part, err := parseARN(strings.ReplaceAll(r.Principal, ownAccount, sampleAccount))
	anyAccount := err == nil && strings.Split(r.Principal, ":")[4] == ownAccount
	switch {
	case strings.ContainsAny(strings.ReplaceAll(r.Principal, ownAccount, ""), "{}"):
		v.problem(key+".principal", r.Principal, "of words in braces only {account} is known: it stands for the account that a record is about")
	case err == nil && part.Service == "sts" && sessionOfRole.MatchString(part.Resource):
		v.sessionInRule(key+".principal", r.Principal)
	case err == nil && !accountID.MatchString(part.AccountID):
		v.problem(key+".principal", r.Principal, "write the account's twelve digits: * never stands for an account")
	case err != nil || part.Service != "iam" || part.Region != "" || !principalName.MatchString(part.Resource):
		v.problem(key+".principal", r.Principal, "write the ARN of a role or user, such as arn:aws:iam::111122223333:role/terraform")
	case len(accounts) > 0 && !anyAccount && !v.faulty("accounts") && !slices.ContainsFunc(accounts, func(a Account) bool { return a.ID == part.AccountID }):
		v.problem(key+".principal", r.Principal, "account %s is not one of accounts: nobody else may loosen anything; add the account, or remove the rule", part.AccountID)
	}
	v.oneOf(key+".action", r.Action, "restore", "wait", "alert", "ignore")
	_, hasWait := v.lines[key+".wait"]
	switch {
	case r.Action == "wait" && !hasWait:
		v.problem(key+".wait", "", "write how long to wait, such as 15m")
	case r.Action == "wait":
		v.between(key+".wait", r.Wait, time.Second, 24*time.Hour)
	case hasWait:
		v.problem(key+".wait", Tidy(r.Wait), "goes with action: wait only: remove it, or write that action")
	}
}

// sessionInRule says how records name the role of a session.
func (v validator) sessionInRule(key, principal string) {
	part, _ := parseARN(principal)
	name := strings.Split(part.Resource, "/")[1]
	role, known := asRecorded(name)
	hint := ""
	if !known {
		hint = " (and its path before the name, if it has one: records have it)"
	}
	v.problem(key, principal, "is a session: write its role as records name it, arn:%s:iam::%s:%s%s", part.Partition, part.AccountID, role, hint)
}
