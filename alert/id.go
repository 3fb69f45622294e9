package alert

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// ID makes an alert's stable ID from what it is about (scope, event, kind,
// …): the same parts, in any daemon and after any restart, make the same ID,
// so that the outbox and the receivers can drop repeats. The result is short
// ASCII, fit for a header.
func ID(parts ...string) string { return "alrt_" + digest(parts) }

// DedupKey is one per event of a scope: a pager opens an incident by it at
// the deletion and resolves it by it at the closed alert.
func DedupKey(scope, eventID string) string { return "flowkeeper-" + digest([]string{scope, eventID}) }

// CampaignID is one per campaign of deletions: the same parts make the same ID.
func CampaignID(parts ...string) string { return "campaign-" + digest(parts) }

// digest is 130 bits of a hash over the parts, each with its length before
// it: ("ab", "c") is not ("a", "bc").
func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:26]
}
