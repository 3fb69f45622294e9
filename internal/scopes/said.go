package scopes

import (
	"context"
	"errors"
	"net"

	"github.com/aws/smithy-go"
)

// Said is what AWS answered, by its code and message, or why it did not answer: an error in the words that
// people need. What the SDK adds, such as its own steps and the number of the request, belongs in the log.
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
