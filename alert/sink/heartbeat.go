package sink

import (
	"context"
	"net/http"
)

// Heartbeat tells a monitor outside, by asking for a URL, that all is well. The
// monitor alerts people when it hears nothing for a while. It is safe for concurrent
// use.
type Heartbeat struct {
	httpClient
	url string // secret: who knows it can go on in our name
}

// NewHeartbeat returns the heartbeat that asks for the URL target.
func NewHeartbeat(target, version string) *Heartbeat {
	return &Heartbeat{httpClient: newHTTPClient("heartbeat", version), url: target}
}

// Beat asks once, for ten seconds at most; any 2xx is success. Its errors name no
// URL (I11).
func (h *Heartbeat) Beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	reply, err := h.request(ctx, http.MethodGet, h.url, nil, nil)
	if err != nil || isSuccess(reply.status) {
		return err
	}
	return h.judge(reply, "check heartbeat.url, and that the monitor still has this check")
}
