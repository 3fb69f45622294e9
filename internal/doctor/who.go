package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/sync/errgroup"
)

// principalLister is the part of IAM that names users and roles.
type principalLister interface {
	ListUsers(context.Context, *iam.ListUsersInput, ...func(*iam.Options)) (*iam.ListUsersOutput, error)
	ListRoles(context.Context, *iam.ListRolesInput, ...func(*iam.Options)) (*iam.ListRolesOutput, error)
}

// MayDelete is a user or role that may call ec2:DeleteFlowLogs somehow, or
// perhaps.
type MayDelete struct {
	Account    string      `json:"account"`
	ARN        string      `json:"arn"`
	Type       string      `json:"type"` // user or role
	WithMFA    bool        `json:"with_mfa"`
	WithoutMFA bool        `json:"without_mfa"`
	Maybe      bool        `json:"maybe,omitempty"`      // it may for sure in none of these ways: it hangs on Unknown
	AccessKey  *bool       `json:"access_key,omitempty"` // a user's own key, of whose requests nothing tells of MFA
	Statements []Statement `json:"statements,omitempty"`
	Unknown    []string    `json:"unknown_conditions,omitempty"` // keys that its policies ask for, and nobody said
}

// Review is what one account came to.
type Review struct {
	Account      string
	Asked        int
	Skipped      int         // service-linked roles
	May          []MayDelete // those that may for sure come first
	Organization int         // to whom a service control policy denies it
	Unasked      int         // whom the simulator did not answer for
	Cut          bool        // there are more principals than are asked for
	Err          error
	ErrAction    string
}

// How much one review asks: IAM answers some twenty calls a second.
const (
	maxPrincipals = 5000
	simulations   = 4
	reviewTries   = 8
	onePrincipal  = 2 * time.Minute // with the waits between tries
)

// WhoMayDelete asks IAM's simulator for every user and role of each account.
// step hears of each that was asked.
func (d *Doctor) WhoMayDelete(ctx context.Context, step func()) []Review {
	var out []Review
	for _, subjects := range d.meetAll(ctx) {
		s := subjects[0]
		if _, err := s.identity.get(ctx); err != nil {
			out = append(out, Review{Account: s.scope.Account, Err: err, ErrAction: "sts:GetCallerIdentity"})
			continue
		}
		if why := s.well(ctx); why != "" {
			out = append(out, Review{Account: s.scope.Account, Err: fmt.Errorf("%s", why), ErrAction: "sts:GetCallerIdentity"})
			continue
		}
		a := newAccount(subjects)
		api := iam.NewFromConfig(s.cfg, func(o *iam.Options) {
			o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), reviewTries)
		})
		out = append(out, review(ctx, api, api, a.id, a.flowLogs(ctx), step))
	}
	return out
}

func review(ctx context.Context, names principalLister, api simulator, account string, flowLogs []target, step func()) Review {
	r := Review{Account: account}
	all, action, err := principalsOf(ctx, names, &r)
	if err != nil {
		r.Err, r.ErrAction = err, action
		return r
	}
	may := make([]*MayDelete, len(all))
	var mu sync.Mutex // guards r
	var g errgroup.Group
	g.SetLimit(simulations)
	for n, arn := range all {
		g.Go(func() error {
			m, closed, err := ask(ctx, api, account, arn, flowLogs)
			mu.Lock()
			defer mu.Unlock()
			step()
			switch {
			case code(err) == "NoSuchEntity": // deleted since it was listed
				return nil
			case err != nil:
				r.Unasked++
				r.Err, r.ErrAction = err, askSimulator
				return nil
			case closed:
				r.Organization++
			}
			r.Asked++
			may[n] = m
			return nil
		})
	}
	_ = g.Wait() // no question ends the others
	for _, m := range may {
		if m != nil {
			r.May = append(r.May, *m)
		}
	}
	slices.SortStableFunc(r.May, func(a, b MayDelete) int { return cmp.Compare(unsure(a), unsure(b)) })
	return r
}

func unsure(m MayDelete) int {
	if m.Maybe {
		return 1
	}
	return 0
}

// ask asks in each way that a request of the principal can come; nil: it may
// in none. closed: a service control policy denies it.
func ask(ctx context.Context, api simulator, account, arn string, flowLogs []target) (m *MayDelete, closed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, onePrincipal)
	defer cancel()
	m = &MayDelete{Account: account, ARN: arn, Type: "role"}
	ways := []struct {
		mfa  string
		into func(bool)
	}{
		{"true", func(v bool) { m.WithMFA = v }},
		{"false", func(v bool) { m.WithoutMFA = v }},
	}
	if strings.Contains(arn, ":user/") {
		m.Type = "user"
		ways = append(ways, struct {
			mfa  string
			into func(bool)
		}{"", func(v bool) { m.AccessKey = &v }})
	}
	some := false
	for _, way := range ways {
		var more map[string]string
		if way.mfa != "" {
			more = map[string]string{mfaKey: way.mfa}
		}
		d, err := mayDelete(ctx, api, arn, more, flowLogs)
		if err != nil {
			return nil, false, err
		}
		way.into(d.allowed)
		some, closed = some || d.allowed, closed || d.organization
		for _, s := range d.statements {
			m.Statements = addNew(m.Statements, s)
		}
		if !d.organization { // it denies, whatever these are
			for _, key := range d.missing {
				m.Unknown = addNew(m.Unknown, key)
			}
		}
	}
	slices.Sort(m.Unknown)
	switch m.Maybe = !some && len(m.Unknown) > 0; {
	case some, m.Maybe:
		return m, false, nil
	}
	return nil, closed, nil
}

func addNew[T comparable](all []T, x T) []T {
	for _, have := range all {
		if have == x {
			return all
		}
	}
	return append(all, x)
}

// principalsOf lists users and roles, but the roles that AWS's own services
// made: IAM's simulator does not take them, and nobody can use them.
func principalsOf(ctx context.Context, api principalLister, r *Review) (out []string, action string, err error) {
	for marker, more := (*string)(nil), true; more; {
		page, err := api.ListUsers(ctx, &iam.ListUsersInput{Marker: marker})
		if err != nil {
			return nil, "iam:ListUsers", err
		}
		for _, u := range page.Users {
			out = append(out, aws.ToString(u.Arn))
		}
		marker, more = page.Marker, page.IsTruncated && len(out) <= maxPrincipals
	}
	for marker, more := (*string)(nil), len(out) <= maxPrincipals; more; {
		page, err := api.ListRoles(ctx, &iam.ListRolesInput{Marker: marker})
		if err != nil {
			return nil, "iam:ListRoles", err
		}
		for _, x := range page.Roles {
			if strings.HasPrefix(aws.ToString(x.Path), "/aws-service-role/") {
				r.Skipped++
				continue
			}
			out = append(out, aws.ToString(x.Arn))
		}
		marker, more = page.Marker, page.IsTruncated && len(out) <= maxPrincipals
	}
	if len(out) > maxPrincipals {
		out, r.Cut = out[:maxPrincipals], true
	}
	return out, "", nil
}

// Why the review is not whole; empty: it is.
func (r Review) Why() string {
	var why []string
	if r.Cut {
		why = append(why, fmt.Sprintf("there are more than %d users and roles: the others were not asked about", maxPrincipals))
	}
	if r.Err != nil {
		text := unheard(r.Err, r.ErrAction).detail
		if r.Unasked > 0 {
			text = plural(r.Unasked, "principal", "principals") + " could not be asked about: " + text
		}
		why = append(why, text)
	}
	return strings.Join(why, "; ")
}
