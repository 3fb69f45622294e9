package cloudtrail

import (
	"fmt"
	"strings"
	"testing"
)

// An attacker removes the tag LogDeliveryEnabled together with many others, whose long keys come first. The detail must
// name that tag, although its length is bounded.
func TestUntagHiddenBehindOtherKeys(t *testing.T) {
	t.Parallel()
	var keys []string
	for i := range 20 {
		keys = append(keys, fmt.Sprintf("%q", fmt.Sprintf("%03d", i)+strings.Repeat("x", 125)))
	}
	keys = append(keys, `"LogDeliveryEnabled"`)
	r, err := Decode([]byte(`{"eventSource":"firehose.amazonaws.com","eventName":"UntagDeliveryStream","recipientAccountId":"111122223333","awsRegion":"eu-west-1","requestParameters":{"deliveryStreamName":"flow","tagKeys":[` + strings.Join(keys, ",") + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Detail, "LogDeliveryEnabled") {
		t.Errorf("hidden: %d bytes of detail", len(r.Detail))
	}
}
