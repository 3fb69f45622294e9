package scopes

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

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

// RefusedEverywhere reports whether AWS refuses the credentials of cfg themselves. One
// service, or a Region that is not enabled, may refuse valid ones; sts:GetCallerIdentity needs
// no permission and succeeds with any valid ones.
func RefusedEverywhere(ctx context.Context, cfg aws.Config) bool {
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false
	}
	_, _, err = whoAmI(ctx, cfg)
	return Refused(err, c)
}
