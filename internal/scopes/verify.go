package scopes

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Verify asks AWS whether an account can be acted in: whose its credentials are, once its role
// is assumed. If they are another account's, it returns a *WrongAccountError (I13).
func (a Account) Verify(ctx context.Context, base aws.Config) (account, arn string, err error) {
	account, arn, err = whoAmI(ctx, a.Reach(base))
	switch {
	case err != nil:
		return "", "", Plain(err)
	case a.ID != "" && account != a.ID:
		return account, arn, &WrongAccountError{Want: a.ID, Have: account}
	}
	return account, arn, nil
}
