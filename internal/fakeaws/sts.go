package fakeaws

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// stsService is STS: who calls, and roles to assume.
type stsService struct {
	Query
	*IAM
}

// Answer implements Service.
func (s stsService) Answer(out http.ResponseWriter, q *Request) (err error) {
	if s.isDenied(q.Caller, "sts:"+q.Operation) {
		return Errorf("AccessDenied", "User: %s is not authorized to perform: sts:%s", q.ARN, q.Operation).WithStatus(http.StatusForbidden)
	}
	var result any
	switch q.Operation {
	case "GetCallerIdentity":
		result = struct{ Arn, UserId, Account string }{q.ARN, q.UserID, q.Account}
	case "AssumeRole":
		if result, err = s.assumeRole(q.Form); err != nil {
			return err
		}
	default:
		return Errorf("InvalidAction", "The action %s is not valid for this endpoint.", q.Operation)
	}
	out.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.Write(out, q.Operation, result)
	return nil
}

func (i *IAM) assumeRole(form url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	arn, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	part := strings.Split(arn, ":")
	r, ok := i.roles[arn]
	if !ok || len(part) != 6 || session == "" || r.externalID != form.Get("ExternalId") {
		return nil, Errorf("AccessDenied", "not authorized to perform: sts:AssumeRole on resource: %s", arn).WithStatus(http.StatusForbidden)
	}
	n := i.serial.Add(1)
	account, name := part[4], strings.TrimPrefix(part[5], "role/")
	c := Caller{
		Account: account, AccessKeyID: fmt.Sprintf("ASIA%016d", n), Type: "AssumedRole", Name: name, SessionIssuer: arn,
		ARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, name, session), UserID: fmt.Sprintf("AROA%016d:%s", n, session),
	}
	i.users[c.AccessKeyID] = c
	end := i.now().Add(i.lifetime)
	i.expires[c.AccessKeyID] = end
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	type assumedRole struct{ AssumedRoleId, Arn string }
	return struct {
		Credentials     credentials
		AssumedRoleUser assumedRole
	}{credentials{c.AccessKeyID, "secret", "token", end.UTC().Format(time.RFC3339)}, assumedRole{c.UserID, c.ARN}}, nil
}
