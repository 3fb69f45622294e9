package doctor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"flowkeeper/configs"
)

// TestReadiness: a daemon may be ready although it can't refresh some scopes. Then the doctor warns.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for ready, want := range map[string]finding{
		"ok":                             {OK, "healthy and ready at here", ""},
		"ok, 4 of 4 scopes":              {OK, "healthy and ready at here, 4 of 4 scopes", ""},
		"ok, 1 of 4 scopes":              {Warn, "healthy and ready at here, 1 of 4 scopes: not all are refreshed", "flowkeeper alerts list; journalctl -u flowkeeper"},
		"ok, 0 of 1 scopes":              {Warn, "healthy and ready at here, 0 of 1 scopes: not all are refreshed", "flowkeeper alerts list; journalctl -u flowkeeper"},
		"the queue has not answered yet": {Fail, "not ready: the queue has not answered yet", "journalctl -u flowkeeper"},
	} {
		t.Run(ready, func(t *testing.T) {
			t.Parallel()
			if got := readiness("here", ready); got != want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestDaemonIsAskedHere: the doctor asks the daemon on this machine, also if the daemon listens at all addresses.
func TestDaemonIsAskedHere(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1"} {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("ok\n")) // the client is the test itself
		})}}
		s.Start()
		_, port, _ := net.SplitHostPort(l.Addr().String()) // a listener's address has a port
		m := &machine{Doctor: &Doctor{Config: configs.Config{HTTP: configs.HTTP{Listen: host + ":" + port}}}}
		if text, err := m.get(t.Context(), "/healthz"); text != "ok" || err != nil {
			t.Errorf("at %q: %q, %v", host, text, err)
		}
		s.Close()
	}
}
