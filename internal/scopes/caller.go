package scopes

import (
	"context"
	"fmt"
	"slices"

	"flowkeeper/inventory"
)

// Caller asks AWS for the principal of a scope's calls: the ARN that CloudTrail's records will
// have. It uses the verified credentials of the scope's EC2 client (I13).
func (f *Fleet) Caller(ctx context.Context, s inventory.Scope) (arn string, err error) {
	n := slices.IndexFunc(f.members, func(m *member) bool { return m.id == s.Account })
	if _, ok := f.EC2(s); !ok || n < 0 {
		return "", fmt.Errorf("%s is not a configured scope", s)
	}
	if _, arn, err = whoAmI(ctx, f.members[n].cfg); err != nil {
		return "", fmt.Errorf("ask AWS who signs the calls in %s: %w", s, err)
	}
	return arn, nil
}
