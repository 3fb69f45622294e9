package doctor

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"flowkeeper/inventory"
)

// account is the scopes of one account: IAM's policies are the same in all of them.
type account struct {
	id       string
	subjects []*subject
	iam      simulator
	self     func() (string, error) // the user or role that we are
}

func newAccount(ctx context.Context, subjects []*subject) *account {
	api := iam.NewFromConfig(subjects[0].cfg)
	a := &account{id: subjects[0].scope.Account, subjects: subjects, iam: api}
	a.self = once(ctx, func(ctx context.Context) (string, error) {
		who, err := subjects[0].identity()
		if err != nil {
			return "", err
		}
		return principalOf(ctx, api, who.arn, subjects[0].account.RoleARN), nil
	})
	return a
}

func (a *account) at() inventory.Scope { return inventory.Scope{Account: a.id} }
func (a *account) unusable() string    { return a.subjects[0].unusable() }
func (a *account) partition() string   { return inventory.Partition(a.subjects[0].scope.Region) }

// flowLogs returns one flow log of each Region to ask about: a real one if there is one, because
// a policy may name it.
func (a *account) flowLogs() (out []target) {
	for _, s := range a.subjects {
		id := "fl-00000000000000000"
		if all, err := s.logs(); err == nil && len(all) > 0 {
			id = all[0].ID
		}
		out = append(out, target{s.scope.Region, fmt.Sprintf("arn:%s:ec2:%s:%s:vpc-flow-log/%s", a.partition(), s.scope.Region, a.id, id)})
	}
	return out
}

// trials of all the account's scopes; err is why some were not made.
func (a *account) trials() (all []trial, err error) {
	for _, s := range a.subjects {
		some, why := s.trials()
		all, err = append(all, some...), cmp.Or(err, why)
	}
	return all, err
}

// may asks the simulator about what the dry runs did not refuse, because a dry run may not check
// it. If the simulator can't tell, doubt says why; else doubt's status is empty.
func (a *account) may(ctx context.Context, of string, q question) (allowed bool, doubt finding) {
	var err error
	if q.principal, err = a.self(); err != nil || q.principal == "" {
		return false, finding{Unknown, "can't tell beyond the dry runs, which refused nothing: these credentials are neither a user's nor a role's", ""}
	}
	d, err := simulate(ctx, a.iam, q)
	switch {
	case err != nil:
		return false, unanswered(err)
	case d.allowed == 0 && d.doubt() != "":
		return false, finding{Unknown, "can't tell of " + of + " beyond the dry runs, which did not refuse it: " + d.doubt(), ""}
	}
	return d.allowed > 0, finding{}
}
