package scopes

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
)

// withoutSecrets is an error that repeats no secret (I11): where a signature does
// not match, AWS answers with the headers that it has signed, the session token among
// them; and what a credential_process prints, and the SDK can't read, may be keys.
func withoutSecrets(err error) error {
	if p, ok := errors.AsType[*processcreds.ProviderError](err); ok && p.Err != nil {
		if said, _, long := strings.Cut(p.Err.Error(), "process output:"); long {
			return &unsaid{err, strings.ReplaceAll(err.Error(), p.Err.Error(), said+"process output")}
		}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	if m := api.ErrorMessage(); m != withoutRequest(m) {
		return &refusal{unsaid{err, strings.ReplaceAll(err.Error(), m, withoutRequest(m))}, api}
	}
	return err
}

// withoutRequest returns AWS's message up to the place where it repeats the request.
func withoutRequest(message string) string {
	said, _, _ := strings.Cut(message, "The Canonical String")
	return strings.TrimSpace(said)
}

// unsaid is an error with a shorter text.
type unsaid struct {
	error
	text string
}

func (e *unsaid) Error() string { return e.text }
func (e *unsaid) Unwrap() error { return e.error }

// refusal is such an error that comes from AWS.
type refusal struct {
	unsaid
	api smithy.APIError
}

func (e *refusal) ErrorCode() string             { return e.api.ErrorCode() }
func (e *refusal) ErrorMessage() string          { return withoutRequest(e.api.ErrorMessage()) }
func (e *refusal) ErrorFault() smithy.ErrorFault { return e.api.ErrorFault() }
