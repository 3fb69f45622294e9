package doctor

import "testing"

// TestReadiness: a daemon that is ready may still not refresh some scopes.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for ready, want := range map[string]finding{
		"ok":                             {OK, "healthy and ready at here", ""},
		"ok, 4 of 4 scopes":              {OK, "healthy and ready at here, 4 of 4 scopes", ""},
		"ok, 1 of 4 scopes":              {Warn, "healthy and ready at here, 1 of 4 scopes: not all are refreshed", "flowkeeper alerts list; journalctl -u flowkeeper"},
		"ok, 0 of 1 scopes":              {Warn, "healthy and ready at here, 0 of 1 scopes: not all are refreshed", "flowkeeper alerts list; journalctl -u flowkeeper"},
		"the queue has not answered yet": {Fail, "not ready: the queue has not answered yet", "journalctl -u flowkeeper"},
	} {
		if got := readiness("here", ready); got != want {
			t.Errorf("%s: %+v", ready, got)
		}
	}
}
