package organization

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"flowkeeper/configs"
	"flowkeeper/internal/scopes"
)

// API is the calls that List makes. *organizations.Client implements it.
type API interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
	ListRoots(context.Context, *organizations.ListRootsInput, ...func(*organizations.Options)) (*organizations.ListRootsOutput, error)
	ListOrganizationalUnitsForParent(context.Context, *organizations.ListOrganizationalUnitsForParentInput, ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error)
	ListAccountsForParent(context.Context, *organizations.ListAccountsForParentInput, ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error)
}

const (
	attempts   = 10 // of one call: Organizations allows few calls a second, to the whole organisation
	maxBackoff = 20 * time.Second
)

// Client calls AWS Organizations with the role of organization.list_role_arn, or else with
// base's own credentials.
func Client(base aws.Config, o configs.Organization) *organizations.Client {
	cfg := base
	if o.ListRoleARN != "" {
		cfg = scopes.Account{RoleARN: o.ListRoleARN, ExternalID: o.ExternalID}.Reach(base)
	}
	return organizations.NewFromConfig(cfg, func(o *organizations.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = attempts, maxBackoff
			r.RateLimiter = ratelimit.None // List has a deadline instead
		})
	})
}
