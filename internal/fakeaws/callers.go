package fakeaws

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Caller is who signed a request.
type Caller struct {
	Account, Region, AccessKeyID, ARN, Type, Name, SessionIssuer, UserID string
	MFA                                                                  *bool
	SourceIP, UserAgent                                                  string
}

// Credentials of a user or role of this world.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken, ARN string
}

// User makes an IAM user and its access key.
func (w *World) User(account, name string, mfa bool) Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastID++
	c := Caller{
		Account: account, AccessKeyID: fmt.Sprintf("AKIA%016d", w.lastID), ARN: "arn:aws:iam::" + account + ":user/" + name,
		Type: "IAMUser", Name: name, UserID: fmt.Sprintf("AIDA%016d", w.lastID), MFA: &mfa,
	}
	w.users[c.AccessKeyID] = c
	return Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: "secret-of-" + name, ARN: c.ARN}
}

// role is what AddRole has made.
type role struct{ externalID string }

// AddRole makes a role that STS lets anybody assume who knows its external ID.
func (w *World) AddRole(arn, externalID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles[arn] = role{externalID}
}

// Sessions are the credentials of a role that were handed out so far, without
// their secrets.
func (w *World) Sessions(roleARN string) (all []Credentials) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, c := range w.users {
		if c.SessionIssuer == roleARN {
			all = append(all, Credentials{AccessKeyID: key, ARN: c.ARN})
		}
	}
	return all
}

// SetRoleLifetime sets how long an assumed role's credentials last.
func (w *World) SetRoleLifetime(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lifetime = d
}

// authenticate finds the service and the caller in the SigV4 header. The
// signature itself is not checked: the access key says who calls.
func (w *World) authenticate(r *http.Request) (*Request, Service, error) {
	auth := r.Header.Get("Authorization")
	_, rest, ok := strings.Cut(auth, "Credential=")
	scope, _, _ := strings.Cut(rest, ",")
	part := strings.Split(scope, "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || len(part) != 5 || part[4] != "aws4_request" {
		return &Request{HTTP: r, Service: "ec2"}, w.services["ec2"], Errorf("MissingAuthenticationToken", "Request is missing Authentication Token").WithStatus(http.StatusForbidden)
	}
	key, q := part[0], &Request{HTTP: r, Service: part[3]}
	service := w.services[q.Service]
	if service == nil {
		return q, w.services["ec2"], Errorf("UnknownService", "this fake has no service %s", q.Service)
	}
	c, known := w.users[key]
	if !known && accountNumber(key) {
		c = Caller{Account: key, AccessKeyID: key, ARN: "arn:aws:iam::" + key + ":root", Type: "Root", UserID: key}
		known = true
	}
	if !known {
		return q, service, Errorf("AuthFailure", "AWS was not able to validate the provided access credentials").WithStatus(http.StatusUnauthorized)
	}
	if end, ends := w.expires[key]; ends && !w.now().Before(end) {
		return q, service, Errorf("ExpiredToken", "The security token included in the request is expired")
	}
	c.Region, c.UserAgent = part[2], r.Header.Get("User-Agent")
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c.SourceIP = cmp.Or(host, "198.51.100.7") // in process there is no address: one reserved for examples
	q.Caller = c
	return q, service, nil
}

// accountNumber: as LocalStack does, a key of twelve digits is the account's
// root.
func accountNumber(key string) bool {
	return len(key) == 12 && strings.Trim(key, "0123456789") == ""
}
