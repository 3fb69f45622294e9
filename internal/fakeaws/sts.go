package fakeaws

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serveSTS answers GetCallerIdentity and AssumeRole.
func (w *World) serveSTS(out http.ResponseWriter, operation string, form url.Values, c caller) {
	body, err := "", error(nil)
	switch operation {
	case "GetCallerIdentity":
		body = fmt.Sprintf(`<Arn>%s</Arn><UserId>%s</UserId><Account>%s</Account>`, escape(c.ARN), escape(c.UserID), c.Account)
	case "AssumeRole":
		body, err = w.assumeRole(form)
	default:
		err = refusal("InvalidAction", "The action %s is not valid for this endpoint.", operation)
	}
	if err == nil && w.refusedTo(c, operation) {
		err = &ec2Error{"AccessDenied", "User: " + c.ARN + " is not authorized to perform: sts:" + operation, http.StatusForbidden}
	}
	if err != nil {
		writeQueryError(out, "sts", err)
		return
	}
	out.Header().Set("Content-Type", "text/xml")
	out.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
	fmt.Fprintf(out, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>fake</RequestId></ResponseMetadata></%[1]sResponse>`, operation, body)
}

func (w *World) refusedTo(c caller, operation string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isDenied(c, operation)
}

func (w *World) assumeRole(form url.Values) (string, error) {
	arn, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	part := strings.Split(arn, ":")
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.roles[arn]
	if !ok || len(part) != 6 || session == "" || r.externalID != form.Get("ExternalId") {
		return "", &ec2Error{"AccessDenied", "not authorized to perform: sts:AssumeRole on resource: " + arn, http.StatusForbidden}
	}
	w.lastID++
	account, name := part[4], strings.TrimPrefix(part[5], "role/")
	c := caller{
		Account: account, AccessKeyID: fmt.Sprintf("ASIA%016d", w.lastID), Type: "AssumedRole", Name: name, SessionIssuer: arn,
		ARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, name, session), UserID: fmt.Sprintf("AROA%016d:%s", w.lastID, session),
	}
	w.users[c.AccessKeyID] = c
	end := w.now().Add(w.lifetime)
	w.expires[c.AccessKeyID] = end
	return fmt.Sprintf(`<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>%s</Expiration></Credentials>`+
		`<AssumedRoleUser><AssumedRoleId>%s</AssumedRoleId><Arn>%s</Arn></AssumedRoleUser>`,
		c.AccessKeyID, end.UTC().Format(time.RFC3339), escape(c.UserID), escape(c.ARN)), nil
}
