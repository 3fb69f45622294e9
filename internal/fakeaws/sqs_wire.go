package fakeaws

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// sqsErr is a refusal: its shape in the JSON protocol, and the older query
// protocol's code, which clients still see as the error code.
func sqsErr(shape, code, format string, args ...any) *Error {
	return &Error{shape: shape, Code: code, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) *Error {
	return sqsErr("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

func missingParameter(name string) *Error {
	return sqsErr("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", name)
}

func queueDoesNotExist() *Error {
	return sqsErr("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
		"The specified queue does not exist or you do not have access to it.")
}

// sqsCall makes an operation of a method that takes its decoded input.
func sqsCall[In any](do func(*Request, *In) (any, error)) sqsOperation {
	return func(q *Request, body []byte) (any, error) {
		in := new(In)
		if err := decodeSQS(body, in); err != nil {
			return nil, err
		}
		return do(q, in)
	}
}

// decodeSQS refuses members that the operation does not have (or that this
// fake does not implement): a client must not believe that they took effect.
func decodeSQS(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return sqsErr("SerializationException", "MalformedInput", "%v", err)
	}
	if d.More() {
		return sqsErr("SerializationException", "MalformedInput", "data after the request's object")
	}
	return nil
}

// Refuse implements Service. Only what SQS itself refuses has both names.
func (s *sqsService) Refuse(out http.ResponseWriter, _ *Request, e *Error) {
	if e.shape != "" {
		out.Header().Set("X-Amzn-Query-Error", e.Code+";Sender")
	}
	writeJSON(out, e.Status, map[string]string{"__type": "com.amazonaws.sqs#" + cmp.Or(e.shape, e.Code), "message": e.Message})
}

func writeJSON(out http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("fakeaws: an answer is plain JSON: " + err.Error())
	}
	out.Header().Set("Content-Type", "application/x-amz-json-1.0")
	out.WriteHeader(status)
	out.Write(body) //nolint:errcheck // the client is gone: nobody to tell
}

// bounded gives an optional number's value: the default if it is absent, an
// error in AWS's words if it is outside.
func bounded(name string, value *int, low, high, absent int) (int, error) {
	if value == nil {
		return absent, nil
	}
	if *value < low || *value > high {
		return 0, invalidParameter("Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.", *value, name, low, high)
	}
	return *value, nil
}

// nameLike says whether s consists of 1 to max letters, digits, hyphens and
// underscores: the alphabet of queue and topic names and of batch entry IDs.
func nameLike(s string, max int) bool {
	return s != "" && len(s) <= max && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
