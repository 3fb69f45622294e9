package sink

import (
	"context"
	"net/http"
)

// Heartbeat tells a monitor outside, by asking for a URL, that all is well. The
// monitor alerts people when it hears nothing for a while.
type Heartbeat struct {
	httpClient
	url string // secret: who knows it can go on in our name
}

// NewHeartbeat returns the heartbeat that asks for the URL target.
func NewHeartbeat(target, version string) *Heartbeat {
	return &Heartbeat{httpClient: newHTTPClient("heartbeat", version), url: target}
}

// Beat asks once; any 2xx is success. Its errors name no URL (I11).
func (h *Heartbeat) Beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return h.failed("the url cannot be requested: check it")
	}
	req.Header.Set("User-Agent", h.agent)
	resp, _, err := h.do(req)
	if err != nil {
		return err
	}
	if isSuccess(resp.StatusCode) {
		return nil
	}
	return h.judge(resp.StatusCode, resp.Header, "check heartbeat.url, and that the monitor still has this check")
}
