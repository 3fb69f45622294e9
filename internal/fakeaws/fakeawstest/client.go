package fakeawstest

import (
	"io"
	"net/http"
	"net/http/httptest"
)

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
	if sent := int64(out.Body.Len()); resp.ContentLength > sent { // the connection is lost
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, lost{}))
	}
	return resp, nil
}

// lost is the rest of a body that does not arrive.
type lost struct{}

func (lost) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
