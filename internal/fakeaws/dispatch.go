package fakeaws

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxRequest = 8 << 20 // bytes

// ServeHTTP answers one request of any of the services. Which one follows
// from the signature, as it does for AWS.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	service, c, err := w.authenticate(r)
	if err != nil {
		writeError(rw, service, err)
		return
	}
	if d := w.pauseFor(); d > 0 {
		wait(r, d)
	}
	operation, form, err := operationOf(r, service)
	if err != nil {
		writeQueryError(rw, service, err)
		return
	}
	switch met := w.meet(Request{service, operation, c.Region, c.ARN, form}); {
	case met.Hangs:
		w.hang(r)
	case met.Code != "":
		refuse(rw, service, fault{code: met.Code, message: met.Message, status: cmp.Or(met.Status, http.StatusBadRequest)})
		return
	}
	f, lost := w.next(r, service, operation, c)
	if f.code != "" {
		refuse(rw, service, f)
		return
	}
	out := &buffer{header: http.Header{}, status: http.StatusOK}
	switch service {
	case "ec2":
		w.serveEC2(out, operation, form, c)
	case "sts":
		w.serveSTS(out, operation, form, c)
	case "sqs":
		w.sqs.serve(out, r, c)
	case "sns":
		w.sns.serve(out, r, c)
	case "s3":
		w.s3.serve(out, r, c)
	default:
		writeQueryError(out, service, refusal("UnknownService", "this fake has no service %s", service))
	}
	if lost {
		panic(http.ErrAbortHandler) // the effect stands, the answer does not arrive
	}
	out.copyTo(rw)
}

func wait(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// authenticate finds the service and the caller in the SigV4 header. The
// signature itself is not checked: keys are what tells callers apart.
func (w *World) authenticate(r *http.Request) (service string, c caller, err error) {
	auth := r.Header.Get("Authorization")
	_, rest, ok := strings.Cut(auth, "Credential=")
	scope, _, _ := strings.Cut(rest, ",")
	part := strings.Split(scope, "/")
	if !ok || len(part) != 5 || part[4] != "aws4_request" {
		return "ec2", c, &ec2Error{"MissingAuthenticationToken", "Request is missing Authentication Token", http.StatusForbidden}
	}
	key, region := part[0], part[2]
	service = part[3]
	w.mu.Lock()
	defer w.mu.Unlock()
	c, known := w.users[key]
	if !known && accountNumber(key) {
		c = caller{Account: key, AccessKeyID: key, ARN: "arn:aws:iam::" + key + ":root", Type: "Root", UserID: key}
		known = true
	}
	if !known {
		return service, c, &ec2Error{"AuthFailure", "AWS was not able to validate the provided access credentials", http.StatusUnauthorized}
	}
	if why := w.refusedKeys[key]; why != nil {
		why.calls++
		return service, c, &ec2Error{why.code, why.message, http.StatusForbidden}
	}
	if end, ends := w.expires[key]; ends && !w.now().Before(end) {
		return service, c, &ec2Error{"ExpiredToken", "The security token included in the request is expired", http.StatusBadRequest}
	}
	c.Region, c.UserAgent = region, r.Header.Get("User-Agent")
	c.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	if c.SourceIP == "" {
		c.SourceIP = "198.51.100.7" // in process there is no address: one of those kept for examples
	}
	return service, c, nil
}

// accountNumber: as LocalStack does, a key of twelve digits is the account's
// root.
func accountNumber(key string) bool {
	return len(key) == 12 && strings.Trim(key, "0123456789") == ""
}

// operationOf reads what is asked for. The body stays readable for those
// services that parse it themselves.
func operationOf(r *http.Request, service string) (string, url.Values, error) {
	switch service {
	case "sqs":
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		return op, nil, nil
	case "s3":
		return r.Method, nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		return "", nil, refusal("RequestTooLarge", "the request can't be read")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, refusal("MalformedQueryString", "%s", err)
	}
	return form.Get("Action"), form, nil
}

// refuse answers a fault in the protocol of the service.
func refuse(w http.ResponseWriter, service string, f fault) {
	message := cmp.Or(f.message, "injected")
	if service == "sqs" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(f.status)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":%q}`, f.code, message)
		return
	}
	if service == "s3" {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.status)
		fmt.Fprintf(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, f.code, escape(message))
		return
	}
	writeQueryError(w, service, &ec2Error{f.code, message, f.status})
}

// ec2Error is a refusal of EC2 or STS.
type ec2Error struct {
	code    string
	message string
	status  int
}

func (e *ec2Error) Error() string { return e.code + ": " + e.message }

func refusal(code, format string, args ...any) *ec2Error {
	return &ec2Error{code, fmt.Sprintf(format, args...), http.StatusBadRequest}
}

// writeQueryError writes an error as EC2 does, or as the other query services
// do.
func writeQueryError(w http.ResponseWriter, service string, err error) {
	var e *ec2Error
	if !errors.As(err, &e) {
		e = &ec2Error{"InternalError", err.Error(), http.StatusInternalServerError}
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(e.status)
	if service == "ec2" {
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>fake</RequestID></Response>`, escape(e.code), escape(e.message))
		return
	}
	fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>fake</RequestId></ErrorResponse>`, escape(e.code), escape(e.message))
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck // a strings.Builder takes everything
	return b.String()
}

// buffer holds an answer until it is sure that it is sent.
type buffer struct {
	header http.Header
	status int
	bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }
func (b *buffer) WriteHeader(s int)   { b.status = s }

func (b *buffer) copyTo(w http.ResponseWriter) {
	for k, v := range b.header {
		w.Header()[k] = v
	}
	w.WriteHeader(b.status)
	w.Write(b.Bytes()) //nolint:errcheck // the client is gone: nobody to tell
}

// HTTPClient calls the world in process: no sockets and no goroutines.
func (w *World) HTTPClient() *http.Client { return &http.Client{Transport: inProcess{w}} }

type inProcess struct{ w *World }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	out := &buffer{header: http.Header{}, status: http.StatusOK}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case hung:
			resp, err = nil, p.err
		default:
			if p != http.ErrAbortHandler {
				panic(p)
			}
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	t.w.ServeHTTP(out, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.header, Body: io.NopCloser(&out.Buffer), ContentLength: int64(out.Len()), Request: r,
	}, nil
}

// largeAnswer and slowest: over loopback the SDK has been seen to lose large
// answers that come within microseconds (emulators.md), so they take a moment.
const (
	largeAnswer = 2 << 10
	leastTime   = 300 * time.Microsecond
)

// Listen serves the world on a free port of 127.0.0.1 until stop is called.
func (w *World) Listen() (url string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: unhurried{w}, ReadHeaderTimeout: 10 * time.Second, ErrorLog: nil}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return "http://" + l.Addr().String(), func() error {
		err := srv.Close()
		if serve := <-done; !errors.Is(serve, http.ErrServerClosed) {
			err = errors.Join(err, serve)
		}
		return err
	}, nil
}

type unhurried struct{ w *World }

func (u unhurried) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	out := &buffer{header: http.Header{}, status: http.StatusOK}
	u.w.ServeHTTP(out, r)
	if d := leastTime - time.Since(begun); d > 0 && out.Len() > largeAnswer {
		wait(r, d)
	}
	out.copyTo(rw)
}
