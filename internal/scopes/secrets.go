package scopes

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
)

// withoutSecrets returns err with a text that has no secret (I11). If a signature does not
// match, AWS answers with the signed headers, among them the session token; and what a
// credential_process prints, if the SDK can't read it, may be keys.
func withoutSecrets(err error) error {
	if p, ok := errors.AsType[*processcreds.ProviderError](err); ok && p.Err != nil {
		if said, _, long := strings.Cut(p.Err.Error(), "process output:"); long {
			return &shortened{err, strings.ReplaceAll(err.Error(), p.Err.Error(), said+"process output")}
		}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	if m := api.ErrorMessage(); m != withoutRequest(m) {
		return &refusal{shortened{err, strings.ReplaceAll(err.Error(), m, withoutRequest(m))}, api}
	}
	return err
}

// withoutRequest returns AWS's message up to the place where it repeats the request.
func withoutRequest(message string) string {
	said, _, _ := strings.Cut(message, "The Canonical String")
	return strings.TrimSpace(said)
}

// shortened is an error with another text: without secrets, or in plain words.
type shortened struct {
	error
	text string
}

func (e *shortened) Error() string { return e.text }
func (e *shortened) Unwrap() error { return e.error }

// refusal is a shortened error that AWS answered. It implements smithy.APIError.
type refusal struct {
	shortened
	api smithy.APIError
}

func (e *refusal) ErrorCode() string             { return e.api.ErrorCode() }
func (e *refusal) ErrorMessage() string          { return withoutRequest(e.api.ErrorMessage()) }
func (e *refusal) ErrorFault() smithy.ErrorFault { return e.api.ErrorFault() }
