package organization

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"

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

// ErrIncomplete says that AWS's answers are no complete list. Another listing may succeed.
var ErrIncomplete = errors.New("AWS's answers are no complete list of the organisation")

// CallError is why the accounts can't be listed, and what a person can do.
type CallError struct {
	// Permission that is missing, as organizations:ListAccounts; empty: something else is wrong.
	Permission string
	Fix        string // what to do
	err        error
}

// Error says what is wrong and what to do.
func (e *CallError) Error() string { return e.err.Error() + ": " + e.Fix }

// Unwrap returns AWS's own error.
func (e *CallError) Unwrap() error { return e.err }

// refused reports whether AWS does not allow a call to Organizations. The code is
// AccessDeniedException; AccessDenied where something before Organizations refuses.
func refused(err error) bool {
	api, is := errors.AsType[smithy.APIError](err)
	return is && (api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "AccessDenied")
}

// explain adds to an error what a person can do about it, unless the error is temporary.
func explain(err error) error {
	if _, is := errors.AsType[*CallError](err); is {
		return err
	}
	op, is := errors.AsType[*smithy.OperationError](err)
	if !is || scopes.NoCredentials(err) || scopes.Passes(err) {
		return scopes.Plain(err)
	}
	if inner, is := errors.AsType[*smithy.OperationError](op.Err); is && inner.Service() == "STS" {
		return &CallError{Fix: "see that the role of organization.list_role_arn exists, that its trust policy names these credentials and organization.external_id (flowkeeper-list.yaml: its ExternalId), and that they may call sts:AssumeRole on it", err: err}
	}
	if _, is := errors.AsType[*types.AWSOrganizationsNotInUseException](err); is {
		return &CallError{Fix: "the account that asked is in no organisation: set organization.list_role_arn to a role in the management account or in a delegated administrator", err: err}
	}
	if !refused(err) {
		return err
	}
	permission := "organizations:" + op.Operation()
	return &CallError{Permission: permission, err: err,
		Fix: "allow " + permission + " to the role of organization.list_role_arn, or without one to Flowkeeper's own credentials. AWS allows it only in the management account and in a delegated administrator"}
}
