package replay

import (
	"encoding/json"
	"strings"
	"time"

	"flowkeeper/internal/cloudtrail"
)

// Envelope is the message that EventBridge sends for a record.
func Envelope(raw []byte, r cloudtrail.Record) (string, error) {
	service, _, _ := strings.Cut(r.EventSource, ".")
	text, err := json.Marshal(map[string]any{
		"version": "0", "id": r.EventID, "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service,
		"account": r.Account, "region": r.Region, "time": r.EventTime.UTC().Format(time.RFC3339),
		"resources": []string{}, "detail": json.RawMessage(raw),
	})
	return string(text), err
}
