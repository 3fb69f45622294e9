package scopes

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Account is one account to act in. Without a role the base credentials are used; if it has no
// ID either, it is the account of the base credentials.
type Account struct {
	ID         string
	RoleARN    string
	ExternalID string
	Regions    []string // empty: those of NewFleet
}

// Reach returns the base configuration with this account's credentials. Nothing has verified that
// they are this account's (I13): use the result only to ask AWS whose they are.
func (a Account) Reach(base aws.Config) aws.Config {
	s := sourceOf(base)
	cfg := s.signs(base, s)
	if a.RoleARN != "" {
		role := assume(cfg, a, s)
		cfg = role.signs(cfg, role)
	}
	return cfg
}

// assume is the source of a role's credentials: it keeps them, renews them before
// they end, and assumes the role again once AWS refuses them.
func assume(base aws.Config, a Account, from *source) *source {
	fresh := func(context.Context) (aws.CredentialsProvider, error) { return session(base, a), nil }
	s := newSource(session(base, a), fresh, from.log)
	s.pauses.now = from.pauses.now
	return s
}

const assumeTimeout = 20 * time.Second // of one AssumeRole, its retries included

// session keeps the credentials of one assumed role.
func session(base aws.Config, a Account) aws.CredentialsProvider {
	p := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), a.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "flowkeeper"
		if a.ExternalID != "" {
			o.ExternalID = aws.String(a.ExternalID)
		}
	})
	// The cache calls Retrieve without the time limit of its caller, so that a call to STS
	// that hangs would never end.
	limited := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		ctx, cancel := context.WithTimeout(ctx, assumeTimeout)
		defer cancel()
		return p.Retrieve(ctx)
	})
	return aws.NewCredentialsCache(limited, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 2 * time.Minute })
}
