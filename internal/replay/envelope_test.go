package replay

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/watcher"
)

// TestEnvelopeIsOneOfEventBridge: the daemon unwraps the record that replay wrapped.
func TestEnvelopeIsOneOfEventBridge(t *testing.T) {
	t.Parallel()
	raw := `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","note":"<&\u2028>"}`
	text, err := Envelope([]byte(raw), cloudtrail.Record{EventID: "e", Account: scope.Account, Region: scope.Region, EventTime: noon})
	if err != nil {
		t.Fatal(err)
	}
	c, err := watcher.Unwrap([]byte(text))
	if err != nil || c.Kind != watcher.EventBridge || len(c.Records) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal([]byte(raw), &want), json.Unmarshal(c.Records[0], &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
