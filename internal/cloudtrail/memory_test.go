package cloudtrail

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestADecodedRecordHoldsNoLongText: a decoded record keeps the beginning of a text that is too long. The rest must not
// stay in memory with it. The test is not parallel, because it measures the memory of the process.
func TestADecodedRecordHoldsNoLongText(t *testing.T) {
	raw := fmt.Appendf(nil, `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","userIdentity":{"arn":%q}}`, strings.Repeat("x", 900_000))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	records := make([]Record, 50)
	for n := range records {
		r, err := Decode(raw)
		if err != nil || len(r.Identity.ARN) != maxText {
			t.Fatal(len(r.Identity.ARN), err)
		}
		records[n] = r
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 4<<20 {
		t.Errorf("%d records hold %d bytes", len(records), held)
	}
	runtime.KeepAlive(records)
}
