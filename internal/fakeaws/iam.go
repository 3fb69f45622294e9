package fakeaws

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Credentials of a user of this world.
type Credentials struct {
	AccessKeyID, SecretAccessKey, ARN string
}

// IAM has the users of all accounts, and the actions that they are denied.
type IAM struct {
	now    func() time.Time
	serial *atomic.Uint64 // the number of the flow log, user or call that was made last

	mu     sync.Mutex        // guards what follows
	users  map[string]Caller // by access key
	denied map[string]bool   // user/action
}

// User makes an IAM user and its access key.
func (i *IAM) User(account, name string, mfa bool) Credentials {
	n := i.serial.Add(1)
	c := Caller{
		Account: account, AccessKeyID: fmt.Sprintf("AKIA%016d", n), ARN: "arn:aws:iam::" + account + ":user/" + name,
		Type: "IAMUser", Name: name, UserID: fmt.Sprintf("AIDA%016d", n), MFA: &mfa,
	}
	i.AddCaller(c)
	return Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: "secret-of-" + name, ARN: c.ARN}
}

// AddCaller adds a caller with its AccessKeyID, which must be new.
func (i *IAM) AddCaller(c Caller) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.users[c.AccessKeyID] = c
}

// RemoveCaller deletes an access key.
func (i *IAM) RemoveCaller(accessKeyID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.users, accessKeyID)
}

func (i *IAM) caller(key string) (Caller, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, known := i.users[key]
	switch {
	case known && !c.Expires.IsZero() && !i.now().Before(c.Expires):
		return c, Errorf("ExpiredToken", "The security token included in the request is expired")
	case known:
	case len(key) == 12 && strings.Trim(key, "0123456789") == "": // an account ID as the key: the root user of the account, as in LocalStack
		c = Caller{Account: key, AccessKeyID: key, ARN: "arn:aws:iam::" + key + ":root", Type: "Root", UserID: key}
	default:
		return c, Errorf("AuthFailure", "AWS was not able to validate the provided access credentials").WithStatus(http.StatusUnauthorized)
	}
	return c, nil
}

// SetDenied denies an action (for example ec2:CreateTags, or CreateTags) to a user, by the name
// given to User, or ends that; "*" is everybody.
func (i *IAM) SetDenied(user, action string, denied bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.denied[user+"/"+action] = denied
}

// IsDenied reports whether SetDenied denies an action, for example ec2:CreateTags, to a caller.
func (i *IAM) IsDenied(c Caller, action string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, name, _ := strings.Cut(action, ":")
	return i.denied[c.Name+"/"+name] || i.denied["*/"+name] || i.denied[c.Name+"/"+action] || i.denied["*/"+action]
}

// STS answers only GetCallerIdentity: no role can be assumed.
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

// Write is Query.Write with a Date header by the world's clock.
func (s STS) Write(out http.ResponseWriter, operation string, result any) {
	out.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.Query.Write(out, operation, result)
}
