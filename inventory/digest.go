package inventory

import (
	"crypto/sha256"
	"encoding/json"
)

// Digest is equal for flow logs with equal settings and tags that both fail to
// deliver, or both do not. A refresh compares it to find changes without reading
// whole rows. State files keep digests: if the JSON of settings changes, the next
// refresh writes every row again.
func (f FlowLog) Digest() [16]byte {
	sum := sha256.Sum256(f.Settings.json())
	if f.Failing() {
		sum[0] ^= 1
	}
	return [16]byte(sum[:16])
}

// json returns the settings as a JSON object.
func (s Settings) json() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic("inventory: settings are plain values: " + err.Error())
	}
	return text
}
