package fakeaws

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Credentials of a user or role of this world.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken, ARN string
}

// IAM is the users and roles of all accounts, and what they may not do.
type IAM struct {
	now    func() time.Time
	serial *atomic.Uint64 // of what was made last

	mu       sync.Mutex        // guards what follows
	users    map[string]Caller // by access key
	expires  map[string]time.Time
	roles    map[string]role
	lifetime time.Duration   // of assumed roles' credentials
	denied   map[string]bool // user/action
}

func newIAM(now func() time.Time, serial *atomic.Uint64) *IAM {
	return &IAM{now: now, serial: serial, users: map[string]Caller{}, expires: map[string]time.Time{}, roles: map[string]role{},
		lifetime: time.Hour, denied: map[string]bool{}}
}

// User makes an IAM user and its access key.
func (i *IAM) User(account, name string, mfa bool) Credentials {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.serial.Add(1)
	c := Caller{
		Account: account, AccessKeyID: fmt.Sprintf("AKIA%016d", n), ARN: "arn:aws:iam::" + account + ":user/" + name,
		Type: "IAMUser", Name: name, UserID: fmt.Sprintf("AIDA%016d", n), MFA: &mfa,
	}
	i.users[c.AccessKeyID] = c
	return Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: "secret-of-" + name, ARN: c.ARN}
}

// role is what AddRole has made.
type role struct{ externalID string }

// AddRole makes a role that STS lets anybody assume who knows its external ID.
func (i *IAM) AddRole(arn, externalID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.roles[arn] = role{externalID}
}

// Sessions are the credentials of a role that were handed out so far, without
// their secrets.
func (i *IAM) Sessions(roleARN string) (all []Credentials) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for key, c := range i.users {
		if c.SessionIssuer == roleARN {
			all = append(all, Credentials{AccessKeyID: key, ARN: c.ARN})
		}
	}
	return all
}

// SetRoleLifetime sets how long an assumed role's credentials last.
func (i *IAM) SetRoleLifetime(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lifetime = d
}

// caller is whose access key it is.
func (i *IAM) caller(key string) (Caller, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, known := i.users[key]
	if !known && accountNumber(key) {
		c = Caller{Account: key, AccessKeyID: key, ARN: "arn:aws:iam::" + key + ":root", Type: "Root", UserID: key}
		known = true
	}
	if !known {
		return c, Errorf("AuthFailure", "AWS was not able to validate the provided access credentials").WithStatus(http.StatusUnauthorized)
	}
	if end, ends := i.expires[key]; ends && !i.now().Before(end) {
		return c, Errorf("ExpiredToken", "The security token included in the request is expired")
	}
	return c, nil
}

// accountNumber: as LocalStack does, a key of twelve digits is the account's
// root.
func accountNumber(key string) bool {
	return len(key) == 12 && strings.Trim(key, "0123456789") == ""
}

// Deny refuses an action (say ec2:CreateTags, or the name alone) to a user, named as
// at User; "*" is everybody.
func (i *IAM) Deny(user, action string) { i.permit(user, action, true) }

// Allow ends a Deny.
func (i *IAM) Allow(user, action string) { i.permit(user, action, false) }

func (i *IAM) permit(user, action string, denied bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.denied[user+"/"+action] = denied
}

func (i *IAM) isDenied(c Caller, action string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, name, _ := strings.Cut(action, ":")
	return i.denied[c.Name+"/"+name] || i.denied["*/"+name] || i.denied[c.Name+"/"+action] || i.denied["*/"+action]
}
