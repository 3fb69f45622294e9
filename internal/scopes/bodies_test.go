package scopes

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
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
		t.Errorf("a request without a body got one: %v", k.body)
	}
}

// TestBaseHasAClient: the SDK sets an HTTP client only if a setting needs one, for
// example a certificate bundle.
func TestBaseHasAClient(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Close()
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewServer(world())
	defer w.Close()
	for _, v := range []string{"", bundle} {
		t.Setenv("AWS_CA_BUNDLE", v)
		cfg, err := Base(t.Context(), Options{Region: "eu-west-1", EndpointURL: w.URL, Credentials: credentials.NewStaticCredentialsProvider("111122223333", "secret", "")})
		if err != nil {
			t.Fatal(err)
		}
		if err := NewFleet(cfg, []string{"eu-west-1"}, silent).Connect(t.Context(), nil); err != nil {
			t.Errorf("with AWS_CA_BUNDLE=%q: %v", v, err)
		}
	}
}
