package replay

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/watcher"
)

// TestEnvelopeIsOneOfEventBridge: replay wraps a record as EventBridge does, and the daemon unwraps the same record.
func TestEnvelopeIsOneOfEventBridge(t *testing.T) {
	t.Parallel()
	raw := `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","note":"<&\u2028>"}`
	text, err := Envelope([]byte(raw), cloudtrail.Record{EventSource: cloudtrail.EC2, EventID: "e", Account: scope.Account, Region: scope.Region, EventTime: noon})
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
	if !strings.Contains(text, `"source":"aws.ec2"`) {
		t.Error(text)
	}
	other, err := Envelope([]byte(raw), cloudtrail.Record{EventSource: "s3.amazonaws.com"})
	if err != nil || !strings.Contains(other, `"source":"aws.s3"`) {
		t.Errorf("%s, %v", other, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
