package sink

import (
	"context"
	"net/http"
)

// Heartbeat requests a URL of an external monitor while all is well. If the requests stop,
// the monitor alerts people. It is safe for concurrent use.
type Heartbeat struct {
	httpClient
	url string // secret: whoever knows it can send heartbeats in Flowkeeper's place
}

// NewHeartbeat returns the heartbeat that requests the URL target.
func NewHeartbeat(target, version string) *Heartbeat {
	return &Heartbeat{httpClient: newHTTPClient("heartbeat", version), url: target}
}

// Send sends one request, with a timeout of ten seconds. Any 2xx is success. Its errors
// contain no URL (I11).
func (h *Heartbeat) Send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	reply, err := h.request(ctx, http.MethodGet, h.url, nil, nil)
	if err != nil || isSuccess(reply.status) {
		return err
	}
	return h.judge(reply, "check heartbeat.url, and that the monitor still has this check")
}
