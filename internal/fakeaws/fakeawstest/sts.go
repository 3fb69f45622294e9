package fakeawstest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

// stsService is an STS with roles to assume.
type stsService struct {
	fakeaws.STS
	now func() time.Time

	mu       sync.Mutex                // guards what follows
	roles    map[string]string         // external IDs, by the role's ARN
	sessions map[string]fakeaws.Caller // roles that were assumed, by access key
	assumed  int                       // how many sessions there were so far
	lifetime time.Duration
}

// Answer implements Service.
func (s *stsService) Answer(out http.ResponseWriter, q *fakeaws.Request) error {
	if q.Operation != "AssumeRole" || s.IsDenied(q.Caller, "sts:AssumeRole") {
		return s.STS.Answer(out, q)
	}
	result, err := s.assume(q.Form)
	if err == nil {
		s.Write(out, q.Operation, result)
	}
	return err
}

func (s *stsService) assume(form url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn, name := form.Get("RoleArn"), form.Get("RoleSessionName")
	part := strings.Split(arn, ":")
	externalID, ok := s.roles[arn]
	if !ok || len(part) != 6 || name == "" || externalID != form.Get("ExternalId") {
		return nil, fakeaws.Errorf("AccessDenied", "not authorized to perform: sts:AssumeRole on resource: %s", arn).WithStatus(http.StatusForbidden)
	}
	s.assumed++
	n, account, role := s.assumed, part[4], strings.TrimPrefix(part[5], "role/")
	c := fakeaws.Caller{
		Account: account, AccessKeyID: fmt.Sprintf("ASIA%016d", n), Type: "AssumedRole", Name: role, SessionIssuer: arn,
		ARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, role, name), UserID: fmt.Sprintf("AROA%016d:%s", n, name),
		Expires: s.now().Add(s.lifetime),
	}
	s.sessions[c.AccessKeyID] = c
	s.AddCaller(c)
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	type assumedRole struct{ AssumedRoleId, Arn string }
	return struct {
		Credentials     credentials
		AssumedRoleUser assumedRole
	}{credentials{c.AccessKeyID, "secret", "token", c.Expires.UTC().Format(time.RFC3339)}, assumedRole{c.UserID, c.ARN}}, nil
}

// AddRole makes a role that every caller with its external ID may assume.
func (w *World) AddRole(arn, externalID string) {
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	w.sts.roles[arn] = externalID
}

// SetRoleLifetime sets how long an assumed role's credentials last.
func (w *World) SetRoleLifetime(d time.Duration) {
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	w.sts.lifetime = d
}

// ForgetSessions forgets expired sessions: their access keys are then unknown. A run of days
// would fill the memory without it.
func (w *World) ForgetSessions() {
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	now := w.sts.now()
	for key, x := range w.sts.sessions {
		if !now.Before(x.Expires) {
			delete(w.sts.sessions, key)
			w.RemoveCaller(key)
		}
	}
}
