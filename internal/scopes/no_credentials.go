package scopes

import "strings"

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
		return noCredentials{err}
	}
	return err
}

type noCredentials struct{ sdk error }

func (noCredentials) Error() string   { return NoCredentialsText }
func (e noCredentials) Unwrap() error { return e.sdk }
