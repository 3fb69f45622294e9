package scopes

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// Cause is why a call in a Region of an account fails, as far as other Regions may have the same
// cause.
type Cause string

// Causes of failures.
const (
	Unanswered   Cause = "unanswered"   // what is likely to pass by itself (Passes)
	Denied       Cause = "denied"       // a permission is missing, or taken away
	DeniedBySCP  Cause = "organization" // a service control policy denies it
	OtherRefusal Cause = "refused"
)

// Causes are all causes.
var Causes = []Cause{Unanswered, Denied, DeniedBySCP, OtherRefusal}

// CauseOf returns the cause of an error. How AWS words a denial is in "Troubleshoot access denied
// error messages" in the IAM user guide.
func CauseOf(err error) Cause {
	if Passes(err) {
		return Unanswered
	}
	api, is := errors.AsType[smithy.APIError](err)
	switch {
	case !is, !slices.Contains(deniedCodes, api.ErrorCode()):
		return OtherRefusal
	case strings.Contains(strings.ToLower(api.ErrorMessage()), "service control policy"):
		return DeniedBySCP
	}
	return Denied
}
