package scopes

import (
	"context"
	"fmt"
	"slices"

	"flowkeeper/inventory"
)

// Caller asks AWS who signs the calls of a scope: the ARN that CloudTrail will
// name in their records. The credentials are those of EC2, and so known to be
// the scope's account's (I13).
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
