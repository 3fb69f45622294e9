// Package fakeawstest is the AWS of package fakeaws as tests need it: with SNS
// and S3, called in process, and with faults. Only tests import it: what the
// demo does not use is not in the binary.
package fakeawstest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"flowkeeper/internal/fakeaws"
)

// World is a fakeaws.World with more services, and with faults. It
// is safe for concurrent use.
type World struct {
	*fakeaws.World
	sns    *snsService
	s3     *s3Service
	sts    *stsService
	faults faults
	roles  linkedRoles
}

// Options of New.
type Options struct {
	Now     func() time.Time // nil: time.Now
	Latency time.Duration    // added to each answer
}

// New returns an empty world.
func New(o Options) *World {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{World: fakeaws.New(o.Now), s3: newS3(o.Now)}
	w.faults = faults{latency: o.Latency, spared: map[string]bool{}, asked: map[Asked]bool{}, refusedKeys: map[string]*refusedKey{}}
	w.roles = linkedRoles{linked: map[string]bool{}, removed: map[string]int{}}
	w.sns = newSNS(o.Now, w.Send)
	w.Handle("sns", w.sns)
	w.sts = newSTS(o.Now, w.IAM)
	w.Handle("s3", w.s3)
	w.Handle("sts", w.sts)
	w.Intercept(w.intercept)
	return w
}

// HTTPClient calls the world in process: no sockets and no goroutines.
func (w *World) HTTPClient() *http.Client { return &http.Client{Transport: inProcess{w}} }

type inProcess struct{ world http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
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
			if p != http.ErrAbortHandler { //nolint:errorlint // the value of a panic
				panic(p)
			}
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	out := httptest.NewRecorder()
	t.world.ServeHTTP(out, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp = out.Result()
	resp.Request = r
	return resp, nil
}
