package alert

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Principal is who made a call, as rules and campaigns know them: the role of a session,
// else the caller's own ARN. It is empty where the record has neither (every other name
// is what somebody chose to be called), and for a nil Actor.
func (a *Actor) Principal() string {
	if a == nil {
		return ""
	}
	return cmp.Or(a.SessionIssuer, a.ARN)
}

// Name is who did it in the fewest words: the ARN, the role of the session, the
// user's name, the user of IAM Identity Center, the principal's ID, in this
// order. Where a record has none of these it is the AWS service, the access key
// or the account; "unknown" where it names nobody. A name that is no ARN of
// AWS's stands behind its type, or in quotes: a user may be called as a role is.
func (a Actor) Name() string {
	if own := cmp.Or(a.ARN, a.SessionIssuer); own != "" {
		return own
	}
	name := a.names()
	if a.Type == "" && strings.HasPrefix(name, "arn:") {
		name = strconv.Quote(name)
	}
	if name == "" && a.AccessKeyID != "" {
		name = "access key " + a.AccessKeyID
	}
	return cmp.Or(strings.TrimSpace(a.Type+" "+cmp.Or(name, a.Account)), "unknown")
}

// names are what a record may call somebody who has no ARN, the most telling
// first.
func (a Actor) names() string {
	return cmp.Or(a.UserName, a.OnBehalfOf, a.PrincipalID, a.InvokedBy, a.SourceIdentity, a.WebIdentity)
}

// Short is the name without what an ARN says of its account.
func (a Actor) Short() string {
	if parsed, err := arn.Parse(cmp.Or(a.ARN, a.SessionIssuer)); err == nil {
		return parsed.Resource
	}
	return a.Name()
}

// Who is the name with the kind of identity, and who stands behind it: the
// account of a name that does not say it, the user of IAM Identity Center, the
// source identity and the web identity.
func (a Actor) Who() string {
	who, plain := a.Name(), ""
	if a.ARN == "" && a.SessionIssuer == "" {
		plain = a.names() // said already
	} else if a.Type != "" {
		who = a.Type + " " + who
	}
	add := func(what, value string) {
		if value != "" && value != plain {
			who += ", " + what + " " + value
		}
	}
	if !strings.Contains(who, a.Account) {
		add("account", a.Account)
	}
	add("on behalf of", a.OnBehalfOf)
	add("source identity", a.SourceIdentity)
	add("web identity", a.WebIdentity)
	return who
}

// with is the tool, and the user agent that it claims.
func (a Actor) with() string {
	switch {
	case a.Via == "" || a.Via == a.UserAgent:
		return a.UserAgent
	case a.UserAgent == "":
		return a.Via
	}
	return a.Via + " (" + a.UserAgent + ")"
}

// MFAWords say whether the caller authenticated with MFA, as far as a record says.
func (a Actor) MFAWords() string {
	switch {
	case a.MFA == nil && a.Type == "IAMUser" && strings.HasPrefix(a.AccessKeyID, "AKIA"):
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
