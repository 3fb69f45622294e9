package fakeaws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Caller is who signed a request.
type Caller struct {
	Account, Region, AccessKeyID, ARN, Type, Name, SessionIssuer, UserID string
	MFA                                                                  *bool
	SourceIP, UserAgent                                                  string
	Expires                                                              time.Time // when the access key ends; zero: never
}

// Request is one call, read from its signature and its body.
type Request struct {
	Caller
	HTTP        *http.Request
	Service     string // as the signature names it: ec2, sqs, sts, …
	Operation   string
	Form        url.Values // the parameters in the query protocol; nil in other protocols
	Permissions []string   // further ones that EC2 requires, beside that of the operation; the function of Intercept may set them
}

// Service answers the calls of one AWS service in that service's protocol. It
// is called by many goroutines at a time.
type Service interface {
	// Parse sets the request's operation, and its form if the protocol has
	// one. The body stays readable.
	Parse(*Request) error
	// Answer does what the request asks for and writes the answer. If it
	// returns an error, it has written nothing.
	Answer(http.ResponseWriter, *Request) error
	// Refuse writes an error.
	Refuse(http.ResponseWriter, *Request, *Error)
}

// Error is why a call is refused.
type Error struct {
	Code    string
	Message string
	Status  int    // of HTTP
	shape   string // its name in SQS's JSON protocol; empty: the code
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf is an error of HTTP status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// WithStatus sets the HTTP status and returns the error.
func (e *Error) WithStatus(status int) *Error {
	e.Status = status
	return e
}

// asError returns err as an Error; any other error becomes an InternalError.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
}

// maxRequest bounds a request's body, in bytes: a batch of 1 MiB, escaped in
// the worst way that JSON allows.
const maxRequest = 8 << 20

// Query is the protocol of STS and SNS: the request is a form, the answer XML.
// EC2's differs in what surrounds a result and an error.
type Query struct {
	Namespace string // of the answers
}

// Parse implements Service.
func (Query) Parse(q *Request) error {
	body, err := io.ReadAll(io.LimitReader(q.HTTP.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		return Errorf("RequestTooLarge", "the request can't be read")
	}
	q.HTTP.Body = io.NopCloser(bytes.NewReader(body))
	if q.Form, err = url.ParseQuery(string(body)); err != nil {
		return Errorf("MalformedQueryString", "%s", err)
	}
	q.Operation = q.Form.Get("Action")
	return nil
}

// Refuse implements Service.
func (p Query) Refuse(out http.ResponseWriter, _ *Request, e *Error) {
	writeXML(out, e.Status, `<ErrorResponse xmlns="%s"><Error>%s</Error><RequestId>fake</RequestId></ErrorResponse>`,
		p.Namespace, Element("Type", "Sender")+Element("Code", e.Code)+Element("Message", e.Message))
}

// Write writes an answer. result is a struct with the content of the operation's
// result element.
func (p Query) Write(out http.ResponseWriter, operation string, result any) {
	writeXML(out, http.StatusOK, `<%[1]sResponse xmlns="%[2]s">%[3]s<ResponseMetadata><RequestId>fake</RequestId></ResponseMetadata></%[1]sResponse>`,
		operation, p.Namespace, Element(operation+"Result", result))
}

func writeXML(out http.ResponseWriter, status int, format string, args ...any) {
	out.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	out.WriteHeader(status)
	fmt.Fprintf(out, format, args...)
}

// Element is an XML element with a text, or with the fields of a struct, in it.
func Element(name string, value any) string {
	var b strings.Builder
	if err := xml.NewEncoder(&b).EncodeElement(value, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
		panic("fakeaws: an answer is plain XML: " + err.Error())
	}
	return b.String()
}
