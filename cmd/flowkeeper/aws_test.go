package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"flowkeeper/configs"
)

// TestConnectShowsThatItWaits: while AWS does not answer, a command shows progress on a terminal. The test is not
// parallel, because it sets variables of the process's environment, which the SDK reads.
func TestConnectShowsThatItWaits(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "any")
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has gone
		<-r.Context().Done()
	}))
	defer hangs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	screen := &watched{text: "checking the credentials", found: cancel}
	a := testApp(&bytes.Buffer{})
	a.Stderr, a.StderrTerminal = screen, true
	c := configs.Default()
	c.AWS.Region, c.AWS.EndpointURL = scope.Region, hangs.URL
	if _, err := (state{app: a, conf: c}).connect(ctx); err == nil || ctx.Err() == nil {
		t.Errorf("%v, and the terminal shows %q, want progress", err, &screen.Buffer)
	}
}

// watched is a writer that calls found once a text is written.
type watched struct {
	bytes.Buffer
	text  string
	found func()
}

func (w *watched) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.found()
	}
	return w.Buffer.Write(p)
}
