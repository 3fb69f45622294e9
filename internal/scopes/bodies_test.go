package scopes

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

type bodyKeeper struct{ body io.Reader }

func (k *bodyKeeper) Do(r *http.Request) (*http.Response, error) {
	k.body = r.Body
	return nil, http.ErrServerClosed
}

func TestBodiesCanOnlyBeRead(t *testing.T) {
	t.Parallel()
	k := &bodyKeeper{}
	send := func(body io.Reader) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1", body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (plainBodies{k}).Do(r); err != http.ErrServerClosed {
			t.Errorf("%v", err)
		}
	}
	send(strings.NewReader("form"))
	if _, writes := k.body.(io.WriterTo); writes {
		t.Error("net/http can still ask the body to write itself")
	}
	if b, err := io.ReadAll(k.body); err != nil || string(b) != "form" {
		t.Errorf("%q %v", b, err)
	}
	send(nil)
	if k.body != nil {
		t.Errorf("a body came from nowhere: %v", k.body)
	}
}
