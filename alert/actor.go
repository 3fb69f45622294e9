package alert

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Principal identifies who made a call, for rules and campaigns: the ARN of the role of a
// session, or else the caller's own ARN. It is empty if the record has neither, because
// anybody can choose the other names, and for a nil Actor.
func (a *Actor) Principal() string {
	if a == nil {
		return ""
	}
	return cmp.Or(a.SessionIssuer, a.ARN)
}

// Name is the shortest name of who made the call: the ARN, the role of the session, the
// user's name, the user of IAM Identity Center, the principal's ID, in this order. If a
// record has none of these, it is the AWS service, the access key or the account, and
// "unknown" if it has none of these either. A name that is not an ARN comes after its
// type, or in quotes, because a user can have the name of a role.
func (a Actor) Name() string {
	if own := cmp.Or(a.ARN, a.SessionIssuer); own != "" {
		return own
	}
	name := a.nameWithoutARN()
	if a.Type == "" && strings.HasPrefix(name, "arn:") {
		name = strconv.Quote(name)
	}
	if name == "" && a.AccessKeyID != "" {
		name = "access key " + a.AccessKeyID
	}
	return cmp.Or(strings.TrimSpace(a.Type+" "+cmp.Or(name, a.Account)), "unknown")
}

// nameWithoutARN is the name of a caller without an ARN: the first of these fields that the
// record has.
func (a Actor) nameWithoutARN() string {
	return cmp.Or(a.UserName, a.OnBehalfOf, a.PrincipalID, a.InvokedBy, a.SourceIdentity, a.WebIdentity)
}

// Short is the name; if that is an ARN, only the part after the account.
func (a Actor) Short() string {
	if parsed, err := arn.Parse(cmp.Or(a.ARN, a.SessionIssuer)); err == nil {
		return parsed.Resource
	}
	return a.Name()
}

// Who is the name with the kind of identity, and who uses that identity: the account if
// the name does not contain it, the user of IAM Identity Center, the source identity and
// the web identity.
func (a Actor) Who() string {
	who, plain := a.Name(), ""
	if a.ARN == "" && a.SessionIssuer == "" {
		plain = a.nameWithoutARN() // who contains it already
	} else if a.Type != "" {
		who = a.Type + " " + who
	}
	add := func(what, value string) {
		if value != "" && value != plain {
			who += ", " + what + " " + value
		}
	}
	if !strings.Contains(who, a.Account) {
		add("account", WithAccount(a.Account, a.AccountName))
	}
	add("on behalf of", a.OnBehalfOf)
	add("source identity", a.SourceIdentity)
	add("web identity", a.WebIdentity)
	return who
}

// with is the tool, and the user agent that the caller sent.
func (a Actor) with() string {
	switch {
	case a.Via == "" || a.Via == a.UserAgent:
		return a.UserAgent
	case a.UserAgent == "":
		return a.Via
	}
	return a.Via + " (" + a.UserAgent + ")"
}

// hasLongTermKey reports whether an IAM user made the call with an access key that does not expire.
func (a Actor) hasLongTermKey() bool {
	return a.Type == "IAMUser" && strings.HasPrefix(a.AccessKeyID, "AKIA")
}

// MFAWords says whether the caller authenticated with MFA, as far as the record states it.
func (a Actor) MFAWords() string {
	switch {
	case a.MFA == nil && a.hasLongTermKey():
		return "none: a long-term access key"
	case a.MFA == nil:
		return "unknown: the record does not say"
	case !*a.MFA && a.Type == "AssumedRole":
		return "unknown: role sessions do not report MFA"
	case *a.MFA:
		return "yes"
	}
	return "no"
}
