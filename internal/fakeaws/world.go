package fakeaws

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// World is one AWS with any number of accounts and Regions. Once Handle, Intercept and SetHooks have
// been called, it is safe for concurrent use: each part has a mutex of its own. EC2 calls IAM, Trail
// and its Hooks while it holds its mutex; none of them calls EC2.
type World struct {
	*IAM
	*EC2
	*Trail
	*SQS

	services  map[string]Service // by the name that signatures have
	intercept func(*Request) (lost bool, err error)
}

// New returns an empty world; now is its clock.
func New(now func() time.Time) *World {
	var serial atomic.Uint64
	w := &World{
		IAM:       &IAM{now: now, serial: &serial, users: map[string]Caller{}, denied: map[string]bool{}},
		SQS:       &SQS{now: now, queues: map[string]*queue{}},
		intercept: func(*Request) (bool, error) { return false, nil },
	}
	w.Trail = &Trail{now: now}
	w.EC2 = &EC2{now: now, serial: &serial, iam: w.IAM, trail: w.Trail, hooks: usual{},
		scopes: map[string]*Scope{}, exists: map[string]bool{}}
	w.services = map[string]Service{
		"ec2": ec2Service{Query{"http://ec2.amazonaws.com/doc/2016-11-15/"}, w.EC2},
		"sts": NewSTS(w.IAM),
		"sqs": sqsService{w.SQS},
	}
	return w
}

// Handle adds a service, before the first call. name is the service in SigV4 signatures.
func (w *World) Handle(name string, s Service) { w.services[name] = s }

// Intercept sets, before the first call, a function that is called with each call of a known caller,
// before the call has any effect. An error refuses the call. lost lets it have its effect, and cuts
// the connection instead of answering. f is called with no lock of the world held.
func (w *World) Intercept(f func(*Request) (lost bool, err error)) { w.intercept = f }

// ServeHTTP answers one request to any of the services. As in AWS, the signature
// says to which one.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.answer(r).copyTo(rw) }

// answer does what a request asks for. It panics with http.ErrAbortHandler if
// the answer is lost.
func (w *World) answer(r *http.Request) *buffer {
	q, service, err := w.authenticate(r)
	if err == nil {
		err = service.Parse(q)
	}
	lost := false
	if err == nil {
		lost, err = w.intercept(q)
	}
	out := &buffer{header: http.Header{}, status: http.StatusOK}
	if err == nil {
		err = service.Answer(out, q)
	}
	if err != nil {
		service.Refuse(out, q, asError(err))
	}
	if lost {
		panic(http.ErrAbortHandler) // the effect stands, the answer does not arrive
	}
	return out
}

// authenticate finds the service and the caller in the SigV4 header. The
// signature itself is not checked: the access key says who calls.
func (w *World) authenticate(r *http.Request) (*Request, Service, error) {
	auth := r.Header.Get("Authorization")
	_, rest, ok := strings.Cut(auth, "Credential=")
	scope, _, _ := strings.Cut(rest, ",")
	part := strings.Split(scope, "/")
	if !ok || len(part) != 5 || part[4] != "aws4_request" {
		return &Request{HTTP: r, Service: "ec2"}, w.services["ec2"], Errorf("MissingAuthenticationToken", "Request is missing Authentication Token").WithStatus(http.StatusForbidden)
	}
	q := &Request{HTTP: r, Service: part[3]}
	service := w.services[q.Service]
	if service == nil {
		return q, w.services["ec2"], Errorf("UnknownService", "this fake has no service %s", q.Service)
	}
	c, err := w.caller(part[0])
	if err != nil {
		return q, service, err
	}
	c.Region, c.UserAgent = part[2], r.Header.Get("User-Agent")
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c.SourceIP = cmp.Or(host, "198.51.100.7") // a request in process has no address: use one that is reserved for examples
	q.Caller = c
	return q, service, nil
}

// buffer holds an answer until it is known whether the client gets it.
type buffer struct {
	header http.Header
	status int
	bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }
func (b *buffer) WriteHeader(s int)   { b.status = s }

func (b *buffer) copyTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	w.Write(b.Bytes()) //nolint:errcheck // the client is gone
}

// The SDK sometimes loses a large answer that comes within microseconds, which happens over
// the loopback. So a large answer takes at least leastTime.
const (
	largeAnswer = 2 << 10 // bytes
	leastTime   = 300 * time.Microsecond
)

// Listen serves the world on a free port of 127.0.0.1 until stop is called.
func (w *World) Listen() (url string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: notTooFast{w}, ReadHeaderTimeout: 10 * time.Second}
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

type notTooFast struct{ w *World }

func (u notTooFast) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	out := u.w.answer(r)
	if out.Len() > largeAnswer {
		<-time.After(leastTime - time.Since(begun))
	}
	out.copyTo(rw)
}
