package replay

import (
	"encoding/json"
	"strings"
	"time"

	"flowkeeper/internal/cloudtrail"
)

// Envelope returns the message that EventBridge sends for a record. raw is the record as it was read; it
// is an error if it is no JSON.
func Envelope(raw []byte, r cloudtrail.Record) (string, error) {
	service, _, _ := strings.Cut(r.EventSource, ".")
	text, err := json.Marshal(map[string]any{
		"version": "0", "id": r.EventID, "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service,
		"account": r.Account, "region": r.Region, "time": r.EventTime.UTC().Format(time.RFC3339),
		"resources": []string{}, "detail": json.RawMessage(raw),
	})
	return string(text), err
}
