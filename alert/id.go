package alert

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"strings"
)

// ID makes an alert's stable ID from what identifies the alert (scope, event, kind, …). The
// same parts make the same ID in every daemon and after every restart, so that the outbox
// and the receivers can drop repeats. It is short ASCII, which fits into a header.
func ID(parts ...string) string { return "alrt_" + digest(parts) }

// DedupKey identifies an event of a scope: a pager opens an incident by this key at the
// deletion, and resolves it at the closed alert.
func DedupKey(scope, eventID string) string { return "flowkeeper-" + digest([]string{scope, eventID}) }

// CampaignID identifies a campaign of deletions. The same parts make the same ID.
func CampaignID(parts ...string) string { return "campaign-" + digest(parts) }

// digest is 130 bits of a hash over the parts, each preceded by its length: ("ab", "c") and
// ("a", "bc") differ.
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

// OwnEvent is a kind of event whose ID Flowkeeper makes itself, because CloudTrail has
// none. Its value begins the ID. CloudTrail does not have such an ID, so no alert advises
// to look it up there.
type OwnEvent string

const (
	UnnamedEvent OwnEvent = "without-id-" // a record that has no event ID
	ForgedEvent  OwnEvent = "record-"     // a record whose event ID is one of Flowkeeper's own
	DriftEvent   OwnEvent = "drift-"      // a refresh that found losses
	LostEvent    OwnEvent = "lost-"       // a replacement that was lost in turn
)

// ID is the ID of an event of this kind; part is unique among these.
func (e OwnEvent) ID(part string) string { return string(e) + part }

// isOwnEvent reports whether Flowkeeper has made an event ID.
func isOwnEvent(id string) bool {
	return slices.ContainsFunc([]OwnEvent{UnnamedEvent, ForgedEvent, DriftEvent, LostEvent}, func(e OwnEvent) bool { return strings.HasPrefix(id, string(e)) })
}
