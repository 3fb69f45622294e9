package scopes

import "github.com/aws/aws-sdk-go-v2/aws"

// Reach returns the base configuration with this account's credentials. Nobody has verified
// whose they are (I13): use it only to find that out.
func (a Account) Reach(base aws.Config) aws.Config {
	s := sourceOf(base)
	cfg := s.signs(base, s)
	if a.RoleARN != "" {
		role := assume(cfg, a, s)
		cfg = role.signs(cfg, role)
	}
	return cfg
}
