package scopes

import (
	"errors"

	"github.com/aws/smithy-go"
)

// OfAccount reports whether an error is about the credentials of an account, so that every Region
// has it: the role can't be assumed, or it is another account's.
func OfAccount(err error) bool {
	if _, wrong := errors.AsType[*WrongAccountError](err); wrong {
		return true
	}
	for {
		op, is := errors.AsType[*smithy.OperationError](err)
		if !is {
			return false
		}
		if op.Service() == "STS" {
			return true
		}
		err = op.Unwrap()
	}
}
