package fakeaws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxSQSRequest bounds a request's body: a batch of 1 MiB, escaped in the
// worst way that JSON allows.
const maxSQSRequest = 8 << 20

// sqsError is a refusal on the wire: the shape of the JSON protocol, and the
// older query protocol's code, which clients still see as the error code.
type sqsError struct {
	shape   string
	code    string
	status  int
	message string
}

func (e *sqsError) Error() string { return e.code + ": " + e.message }

func sqsErr(shape, code, format string, args ...any) *sqsError {
	return &sqsError{shape: shape, code: code, status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func (e *sqsError) withStatus(status int) *sqsError {
	e.status = status
	return e
}

func invalidParameter(format string, args ...any) *sqsError {
	return sqsErr("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

func missingParameter(name string) *sqsError {
	return sqsErr("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", name)
}

func queueDoesNotExist() *sqsError {
	return sqsErr("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
		"The specified queue does not exist or you do not have access to it.")
}

// sqsCall makes an operation of a method that takes its decoded input.
func sqsCall[In any](do func(sqsRequest, *In) (any, error)) sqsOperation {
	return func(req sqsRequest, body []byte) (any, error) {
		in := new(In)
		if err := decodeSQS(body, in); err != nil {
			return nil, err
		}
		return do(req, in)
	}
}

func readSQS(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxSQSRequest))
	if err != nil {
		return nil, sqsErr("SerializationException", "MalformedInput", "The request body cannot be read: %v", err)
	}
	return body, nil
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

func writeSQS(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil {
		writeSQSError(w, err)
		return
	}
	if out == nil {
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		writeSQSError(w, err)
		return
	}
	w.Write(body) //nolint:errcheck // the client is gone: nobody to tell
}

func writeSQSError(w http.ResponseWriter, err error) {
	e, fault := (*sqsError)(nil), "Sender"
	if !errors.As(err, &e) {
		e, fault = sqsErr("InternalFailure", "InternalError", "%v", err).withStatus(http.StatusInternalServerError), "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", e.code+";"+fault)
	w.WriteHeader(e.status)
	body, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.sqs#" + e.shape, "message": e.message})
	w.Write(body) //nolint:errcheck // the client is gone: nobody to tell
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
