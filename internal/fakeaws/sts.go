package fakeaws

import "net/http"

// STS says who calls; no role can be assumed here.
type STS struct {
	Query
	*IAM
}

// NewSTS returns the STS of the users of i.
func NewSTS(i *IAM) STS { return STS{Query{"https://sts.amazonaws.com/doc/2011-06-15/"}, i} }

// Answer implements Service.
func (s STS) Answer(out http.ResponseWriter, q *Request) error {
	if s.IsDenied(q.Caller, "sts:"+q.Operation) {
		return Errorf("AccessDenied", "User: %s is not authorized to perform: sts:%s", q.ARN, q.Operation).WithStatus(http.StatusForbidden)
	}
	if q.Operation != "GetCallerIdentity" {
		return Errorf("InvalidAction", "The action %s is not valid for this endpoint.", q.Operation)
	}
	s.Write(out, q.Operation, struct{ Arn, UserId, Account string }{q.ARN, q.UserID, q.Account})
	return nil
}

// Write is that of Query. The answer says what time it is, too.
func (s STS) Write(out http.ResponseWriter, operation string, result any) {
	out.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.Query.Write(out, operation, result)
}
