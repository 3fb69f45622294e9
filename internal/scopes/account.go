package scopes

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Reach is the base configuration with this account's credentials. Nothing has
// verified whose they are (I13): it is for asking just that.
func (a Account) Reach(base aws.Config) aws.Config {
	cfg := base.Copy()
	if a.RoleARN != "" {
		cfg.Credentials = assume(base, a)
	}
	return cfg
}

// Regions that the configuration's list means to an account.
func Regions(ctx context.Context, cfg aws.Config, list []string) ([]string, error) {
	return regionsOf(ctx, cfg, list)
}
