package doctor

import (
	"errors"
	"net"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/alert"
	"flowkeeper/internal/scopes"
)

const maxWords = 300 // of what AWS says

// errorText returns AWS's error, or why AWS did not answer, without the text that the SDK adds.
func errorText(err error) string { return alert.Clean(scopes.Said(err), maxWords) }

// apiError returns AWS's code and message; empty: it is no error of AWS's.
func apiError(err error) (code, message string) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode(), api.ErrorMessage()
	}
	return "", ""
}

func code(err error) string {
	c, _ := apiError(err)
	return c
}

// denied reports whether AWS denied the call.
func denied(err error) bool {
	c := code(err)
	return strings.Contains(c, "AccessDenied") || c == "UnauthorizedOperation" || c == "AuthorizationError" || c == "NotAuthorized"
}

// unanswered is the finding of a check whose question AWS did not answer: never a failure.
func unanswered(err error) finding {
	action := actionOf(err)
	dns, noName := errors.AsType[*net.DNSError](err)
	switch {
	case noName && dns.IsNotFound:
		return finding{Unknown, "can't tell: this machine finds no host " + alert.Clean(dns.Name, maxWords), "see that the Region is spelled right (inventory.regions, accounts, queue.url), and that this machine can resolve names"}
	case action == "":
		return finding{Unknown, "can't tell: " + errorText(err), ""}
	case denied(err):
		return finding{Unknown, "can't tell, because " + action + " is not allowed", "allow " + action + " (deploy/iam-policy-doctor.json)"}
	}
	return finding{Unknown, "can't tell, because " + action + " was answered with " + errorText(err), ""}
}

// actionOf returns the IAM action of the call that failed, such as events:ListRules; empty if
// err is not of a call to AWS.
func actionOf(err error) string {
	call, is := errors.AsType[*smithy.OperationError](err)
	if !is {
		return ""
	}
	service := strings.ToLower(call.Service())
	if service == "eventbridge" {
		service = "events"
	}
	return service + ":" + call.Operation()
}

// serverDate returns the Date of AWS's answer, also of an error.
func serverDate(err error) string {
	if r, is := errors.AsType[*smithyhttp.ResponseError](err); is && r.Response != nil && r.Response.Response != nil {
		return r.Response.Header.Get("Date")
	}
	return ""
}
