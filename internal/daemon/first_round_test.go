package daemon

import (
	"fmt"
	"strings"
	"testing"
)

// TestTheStartOfManyScopesIsOneLine: the first refreshes of all scopes, of which one fails, are one
// line of log with what they found.
func TestTheStartOfManyScopesIsOneLine(t *testing.T) {
	t.Parallel()
	h, b := abroad(t)
	regions := []string{region}
	for n := range 40 {
		regions = append(regions, fmt.Sprintf("eu-north-%d", n+1))
	}
	for n, r := range regions {
		h.plant(r, fmt.Sprintf("vpc-%d", n))
	}
	b.set("eu-north-7", "InternalError")
	h.daemon.Config.Inventory.Regions, h.daemon.Config.Inventory.Schedule = regions, "@every 1h"
	h.run()
	h.await("the first round to be logged", func() bool { return strings.Contains(h.log.String(), `"scopes":41,"failed":1,"listed":40,"new":40,`) })
	if n := strings.Count(h.log.String(), `"msg":"refreshed"`); n != 1 {
		t.Errorf("%d lines about refreshes:\n%s", n, h.log)
	}
	if n := strings.Count(h.log.String(), "\n"); n > 20 {
		t.Errorf("%d lines for the start:\n%s", n, h.log)
	}
}
