package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/watcher"
)

// TestEnvelopeIsOneOfEventBridge: the daemon unwraps the record that replay wrapped.
func TestEnvelopeIsOneOfEventBridge(t *testing.T) {
	t.Parallel()
	raw := `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","note":"<&\u2028>"}`
	text, err := envelope([]byte(raw), cloudtrail.Record{EventID: "e", Account: scope.Account, Region: scope.Region, EventTime: noon})
	if err != nil {
		t.Fatal(err)
	}
	c, err := watcher.Unwrap([]byte(text))
	if err != nil || c.Kind != watcher.EventBridge || len(c.Records) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if diff := cmp.Diff(asObject(t, json.RawMessage(raw)), asObject(t, c.Records[0])); diff != "" {
		t.Error(diff)
	}
}
