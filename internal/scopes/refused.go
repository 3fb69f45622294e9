package scopes

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// refusedCodes say that AWS does not take the credentials, whatever they may do.
// EC2: AuthFailure; STS, SNS: InvalidClientTokenId, SignatureDoesNotMatch,
// ExpiredToken; SQS (JSON): UnrecognizedClientException, InvalidSignatureException,
// ExpiredTokenException; S3: InvalidAccessKeyId, InvalidToken, TokenRefreshRequired.
var refusedCodes = []string{
	"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidClientTokenIdException",
	"InvalidSecurity", "InvalidSecurityToken", "InvalidSignatureException", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired",
	"UnrecognizedClient", "UnrecognizedClientException",
}

var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"}

// Refused reports whether AWS's error says that it does not take the credentials
// that a call was signed with, so that newer ones may help. What these
// credentials may not do is no such error, with one exception: IAM revokes the
// sessions of a role by a policy that denies everything to those issued until
// then, and a later session is free of it.
func Refused(err error, used aws.Credentials) bool {
	var api smithy.APIError
	if used.AccessKeyID == "" || !errors.As(err, &api) {
		return false
	}
	code, text := api.ErrorCode(), strings.ToLower(api.ErrorMessage())
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	session := used.SessionToken != ""
	switch {
	case slices.Contains(refusedCodes, code):
		return !has("signature expired", "signature not yet current") // the clock
	case code == "RequestExpired": // of a long-lived key only the clock can be the cause
		return session
	case slices.Contains(deniedCodes, code):
		return has("security token") && has("invalid", "expired", "revoked") ||
			session && has("explicit deny in an identity-based policy", "session has been revoked", "session is revoked")
	}
	return false
}
