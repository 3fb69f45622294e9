package scopes

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/inventory"
)

const callerTimeout = 20 * time.Second

// Caller asks AWS who signs the calls of a scope: the ARN that CloudTrail will
// name in their records. The credentials are those of EC2, and so known to be
// the scope's account's (I13).
func (f *Fleet) Caller(ctx context.Context, s inventory.Scope) (arn string, err error) {
	n := slices.IndexFunc(f.members, func(m *member) bool { return m.id == s.Account })
	if _, ok := f.EC2(s); !ok || n < 0 {
		return "", fmt.Errorf("%s is not a configured scope", s)
	}
	ctx, cancel := context.WithTimeout(ctx, callerTimeout)
	defer cancel()
	// Where the credentials are verified, too: which endpoint of STS can be reached is
	// known of that Region alone.
	out, err := sts.NewFromConfig(f.members[n].cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask AWS who signs the calls in %s: %w", s, err)
	}
	return aws.ToString(out.Arn), nil
}
