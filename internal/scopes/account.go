package scopes

import "github.com/aws/aws-sdk-go-v2/aws"

// Reach is the base configuration with this account's credentials. Nothing has
// verified whose they are (I13): it is for asking just that.
func (a Account) Reach(base aws.Config) aws.Config {
	cfg := base.Copy()
	if a.RoleARN != "" {
		cfg.Credentials = assume(base, a)
	}
	return cfg
}
