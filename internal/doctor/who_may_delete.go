package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
)

// reviewAPI is what a review calls of *iam.Client.
type reviewAPI interface {
	simulator
	ListUsers(context.Context, *iam.ListUsersInput, ...func(*iam.Options)) (*iam.ListUsersOutput, error)
	ListRoles(context.Context, *iam.ListRolesInput, ...func(*iam.Options)) (*iam.ListRolesOutput, error)
}

// MayDelete is a user or role that may, or perhaps may, call ec2:DeleteFlowLogs.
type MayDelete struct {
	Account     string      `json:"account"`
	AccountName string      `json:"account_name,omitempty"`
	ARN         string      `json:"arn"`
	Type        string      `json:"type"` // user or role
	WithMFA     bool        `json:"with_mfa"`
	WithoutMFA  bool        `json:"without_mfa"`
	Maybe       bool        `json:"maybe,omitempty"`      // whether it may depends on Unknown; the three are false then
	AccessKey   *bool       `json:"access_key,omitempty"` // with a user's own access key, whose requests do not report MFA
	Statements  []Statement `json:"statements,omitempty"`
	Unknown     []string    `json:"unknown_conditions,omitempty"` // condition keys of its policies whose values are not known
}

// Review is the result for one account.
type Review struct {
	Account      string
	AccountName  string // empty: it is not known
	Asked        int
	Skipped      int         // service-linked roles
	May          []MayDelete // those that certainly may come first
	Organization int         // how many a service control policy denies it
	Unasked      int         // how many the simulator did not answer for
	Cut          bool        // there are more principals than maxPrincipals
	Err          error
}

// How much one review asks: IAM answers some twenty calls a second.
const (
	maxPrincipals = 5000
	simulations   = 4
	reviewTries   = 8
	onePrincipal  = 2 * time.Minute // with the waits between tries
)

// WhoMayDelete asks IAM's simulator for every user and role of each account.
// step is called after each user or role, by one goroutine at a time.
func (d *Doctor) WhoMayDelete(ctx context.Context, step func()) []Review {
	var out []Review
	m := newMachine(ctx, d)
	found := m.findSubjects(ctx)
	if len(found) == 0 {
		_, err := m.listing()
		if err == nil {
			err = errors.New("there is no account to check")
		}
		return []Review{{Err: err}}
	}
	for _, subjects := range found {
		s := subjects[0]
		_, err := s.identity()
		if why := s.unusable(); err == nil && why != "" {
			err = errors.New(why)
		}
		if err != nil {
			out = append(out, Review{Account: s.scope.Account, Err: err})
			continue
		}
		a := newAccount(ctx, subjects)
		api := iam.NewFromConfig(s.cfg, func(o *iam.Options) {
			o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), reviewTries)
		})
		out = append(out, review(ctx, api, a.id, a.flowLogs(), step))
	}
	for n := range out {
		out[n].AccountName = m.nameOf(out[n].Account)
		for k := range out[n].May {
			out[n].May[k].AccountName = out[n].AccountName
		}
	}
	return out
}

func review(ctx context.Context, api reviewAPI, account string, flowLogs []target, step func()) Review {
	r := Review{Account: account}
	all, err := principalsOf(ctx, api, &r)
	if err != nil {
		r.Err = err
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
				r.Err = err
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
	for _, maybe := range []bool{false, true} {
		for _, m := range may {
			if m != nil && m.Maybe == maybe {
				r.May = append(r.May, *m)
			}
		}
	}
	return r
}

// ask asks for requests of the principal with MFA, without MFA, and with an access key. m is
// nil if all of them are denied; closed: by a service control policy.
func ask(ctx context.Context, api simulator, account, arn string, flowLogs []target) (m *MayDelete, closed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, onePrincipal)
	defer cancel()
	m = &MayDelete{Account: account, ARN: arn, Type: "role"}
	mfa := []map[string]string{{mfaKey: "true"}, {mfaKey: "false"}}
	if strings.Contains(arn, ":user/") {
		m.Type = "user"
		mfa = append(mfa, nil) // with an access key
	}
	some := false
	for _, request := range mfa {
		d, err := mayDelete(ctx, api, arn, request, flowLogs)
		if err != nil {
			return nil, false, err
		}
		may := d.allowed > 0
		switch request[mfaKey] {
		case "true":
			m.WithMFA = may
		case "false":
			m.WithoutMFA = may
		default:
			m.AccessKey = &may
		}
		some, closed = some || may, closed || d.closed()
		m.Statements, m.Unknown = addNew(m.Statements, d.statements...), addNew(m.Unknown, d.missing...)
	}
	slices.Sort(m.Unknown)
	m.Maybe = !some && len(m.Unknown) > 0
	if !some && !m.Maybe {
		return nil, closed, nil
	}
	return m, false, nil
}

// addNew appends those of more that are not in all.
func addNew[T comparable](all []T, more ...T) []T {
	for _, x := range more {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

// principalsOf lists users and roles without service-linked roles: IAM's simulator does not
// take these, and only AWS can use them.
func principalsOf(ctx context.Context, api reviewAPI, r *Review) (out []string, err error) {
	users := iam.NewListUsersPaginator(api, &iam.ListUsersInput{})
	for users.HasMorePages() && len(out) <= maxPrincipals {
		page, err := users.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Users {
			out = append(out, aws.ToString(u.Arn))
		}
	}
	roles := iam.NewListRolesPaginator(api, &iam.ListRolesInput{})
	for roles.HasMorePages() && len(out) <= maxPrincipals {
		page, err := roles.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, x := range page.Roles {
			if strings.HasPrefix(aws.ToString(x.Path), "/aws-service-role/") {
				r.Skipped++
				continue
			}
			out = append(out, aws.ToString(x.Arn))
		}
	}
	if len(out) > maxPrincipals {
		out, r.Cut = out[:maxPrincipals], true
	}
	return out, nil
}

// Why returns why the review is not complete; empty: it is.
func (r Review) Why() string {
	var why []string
	if r.Cut {
		why = append(why, fmt.Sprintf("there are more than %d users and roles: the others were not asked about", maxPrincipals))
	}
	if r.Err != nil {
		text := unanswered(r.Err).detail
		if r.Unasked > 0 {
			text = alert.Plural(r.Unasked, "principal") + " could not be asked about: " + text
		}
		why = append(why, text)
	}
	return strings.Join(why, "; ")
}
