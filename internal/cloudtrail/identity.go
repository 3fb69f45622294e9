package cloudtrail

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Identity is the record's userIdentity.
type Identity struct {
	Type          string // IAMUser, AssumedRole, Root, AWSService, … or empty
	ARN           string
	AccountID     string
	AccessKeyID   string
	UserName      string
	PrincipalID   string
	InvokedBy     string
	SessionIssuer string // the role's ARN, for AssumedRole
	MFA           *bool  // nil: the record does not state it
	Console       bool   // sessionCredentialFromConsole: a person's session of the console

	OnBehalfOf     string // userId of a user of IAM Identity Center
	IdentityStore  string // the ARN of the store in which that user is
	SourceIdentity string // set when the role was assumed; it stays when further roles are assumed
	WebIdentity    string // the identity provider of a web identity or SAML session, and the attributes that it gave
}

// identity reads userIdentity; any part of it may be missing.
func identity(raw json.RawMessage) Identity {
	m := object(raw)
	session, behalf := object(m["sessionContext"]), object(m["onBehalfOf"])
	id := Identity{
		Type: scalar(m["type"]), ARN: scalar(m["arn"]), AccountID: scalar(m["accountId"]), AccessKeyID: scalar(m["accessKeyId"]),
		UserName: scalar(m["userName"]), PrincipalID: scalar(m["principalId"]), InvokedBy: scalar(m["invokedBy"]),
		SessionIssuer: scalar(object(session["sessionIssuer"])["arn"]),
		OnBehalfOf:    scalar(behalf["userId"]), IdentityStore: scalar(behalf["identityStoreArn"]),
		SourceIdentity: scalar(session["sourceIdentity"]), WebIdentity: webIdentity(session["webIdFederationData"]),
	}
	if id.WebIdentity == "" {
		id.WebIdentity = scalar(m["identityProvider"])
	}
	if mfa, err := strconv.ParseBool(scalar(object(session["attributes"])["mfaAuthenticated"])); err == nil {
		id.MFA = &mfa
	}
	return id
}

// maxAttributes is how many attributes of a web identity are kept.
const maxAttributes = 10

// webIdentity returns the provider, and the attributes that it gave: "provider
// (sub=…, aud=…)".
func webIdentity(raw json.RawMessage) string {
	m := object(raw)
	var said []string
	for key, value := range object(m["attributes"]) {
		if s := scalar(value); s != "" {
			said = append(said, key+"="+s)
		}
	}
	slices.Sort(said)
	provider := scalar(m["federatedProvider"])
	if len(said) == 0 {
		return provider
	}
	return clip(strings.TrimSpace(provider + " (" + strings.Join(said[:min(len(said), maxAttributes)], ", ") + ")"))
}
