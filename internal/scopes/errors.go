package scopes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Said is an error in the words that people need: the code and message of AWS's answer, or why there was no
// answer. What the SDK adds, such as its own steps and the ID of the request, belongs in the log.
func Said(err error) string {
	if api, is := errors.AsType[smithy.APIError](err); is && api.ErrorCode() != "" {
		code, message := api.ErrorCode(), api.ErrorMessage()
		if message == "" || message == code {
			return code
		}
		return code + ": " + message
	}
	var wrong *WrongAccountError
	var garbled *smithy.DeserializationError
	var dial *net.OpError
	switch {
	case errors.As(err, &wrong):
		return wrong.Error()
	case errors.As(err, &garbled):
		return "something that is no answer of AWS's"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case NoCredentials(err):
		return NoCredentialsText
	case errors.As(err, &dial):
		return dial.Error()
	}
	return err.Error()
}

// refusedCodes are the errors by which AWS refuses the credentials themselves.
// EC2: AuthFailure; STS, SNS: InvalidClientTokenId, SignatureDoesNotMatch,
// ExpiredToken; SQS (JSON): UnrecognizedClientException, InvalidSignatureException,
// ExpiredTokenException; S3: InvalidAccessKeyId, InvalidToken, TokenRefreshRequired.
var refusedCodes = []string{
	"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidClientTokenIdException",
	"InvalidSecurity", "InvalidSecurityToken", "InvalidSignatureException", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired",
	"UnrecognizedClient", "UnrecognizedClientException",
}

var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"}

// Refused reports whether AWS refuses the credentials of a call, so that newer ones may help.
// A missing permission is no such error, with one exception: IAM revokes the sessions of a
// role with a policy that denies everything to sessions older than itself, and newer sessions
// are free of it.
func Refused(err error, used aws.Credentials) bool {
	api, is := errors.AsType[smithy.APIError](err)
	if used.AccessKeyID == "" || !is {
		return false
	}
	code, text := api.ErrorCode(), strings.ToLower(api.ErrorMessage())
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	session := used.SessionToken != ""
	switch {
	case slices.Contains(refusedCodes, code):
		return !has("signature expired", "signature not yet current") // these mean that the clock is wrong
	case code == "RequestExpired": // with a long-lived key, only a wrong clock can be the cause
		return session
	case slices.Contains(deniedCodes, code):
		return has("security token") && has("invalid", "expired", "revoked") ||
			session && has("explicit deny in an identity-based policy", "session has been revoked", "session is revoked")
	}
	return false
}

// RefusedEverywhere reports whether AWS refuses the credentials of cfg themselves. One
// service, or a Region that is not enabled, may refuse valid credentials;
// sts:GetCallerIdentity needs no permission, and succeeds with all valid ones.
func RefusedEverywhere(ctx context.Context, cfg aws.Config) bool {
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false
	}
	_, _, err = whoAmI(ctx, cfg)
	return Refused(err, c)
}

// OfAccount reports whether an error is about the credentials of an account, so that every Region
// has the same error: the role can't be assumed, or it is another account's.
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

// NoCredentialsText says what NoCredentials reports.
const NoCredentialsText = "there are no credentials: none in the environment, no profile, no instance role"

// NoCredentials reports whether the SDK found no credentials. It has no error type for that.
func NoCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "no EC2 IMDS role found") || strings.Contains(text, "static credentials are empty") ||
		strings.Contains(text, NoCredentialsText)
}

// Plain is the error with a text that people understand, if there are no credentials.
func Plain(err error) error {
	if NoCredentials(err) {
		return &shortened{err, NoCredentialsText}
	}
	return err
}

// Cause is why a call in a Region fails: Regions of an account that fail for one cause have one
// alert together.
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

// WrongAccountError says that credentials act in another account than the one
// they are meant for.
type WrongAccountError struct{ Want, Have string }

func (e *WrongAccountError) Error() string {
	return fmt.Sprintf("these credentials act in account %s, not in %s: nothing they show is believed and nothing is created with them; fix accounts[].role_arn or the credentials", e.Have, e.Want)
}

// WrongAccount implements answer.WrongAccount.
func (e *WrongAccountError) WrongAccount() bool { return true }

// Passes reports whether an error is likely to pass by itself: network,
// throttling, a fault of AWS.
func Passes(err error) bool {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.HTTPStatusCode() >= 500 {
		return true
	}
	if api, is := errors.AsType[smithy.APIError](err); is {
		_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
		return throttled
	}
	_, unsent := errors.AsType[*smithyhttp.RequestSendError](err)
	return unsent || errors.Is(err, context.DeadlineExceeded)
}
