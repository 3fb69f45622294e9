package incident

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"flowkeeper/inventory"
)

// TokenKey is the secret that ClientTokens are made with: an attacker without it can't use
// them up beforehand. Printing it, in any format, shows no part of it (I11). The zero value
// makes tokens that anybody can make: it is for code that sends no call.
type TokenKey string

// SharedTokenKey is the key of a secret that several daemons share: the secret itself is not
// in their state files.
func SharedTokenKey(secret string) TokenKey {
	sum := sha256.Sum256([]byte("flowkeeper token key\n" + secret))
	return TokenKey(hex.EncodeToString(sum[:]))
}

// Format writes that there is a secret, whatever the verb.
func (TokenKey) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenKey) } //nolint:errcheck // package fmt's own buffer

// MarshalText does the same for JSON and logs.
func (TokenKey) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

const hiddenKey = "[secret]"

// Token is the ClientToken of an incident's create: the same for every attempt, and for every
// daemon that has the same key, so that AWS makes one flow log of them all (I4). After AWS has
// said that it was used for another call, it is random. It has 64 ASCII characters, the most
// that AWS takes.
func (k TokenKey) Token(i Incident) string {
	switch {
	case i.RandomToken != "":
		return i.RandomToken
	case !i.Keyed:
		return publicToken(i.Scope, i.FlowLogID, i.Generation)
	}
	return k.sign(i.Scope, i.Generation, i.FlowLogID)
}

// sign is the token of a call: it follows from the scope, a number, and texts in their order.
func (k TokenKey) sign(scope inventory.Scope, generation int, about ...string) string {
	mac := hmac.New(sha256.New, []byte(k))
	fmt.Fprintf(mac, "flowkeeper\n%s\n%d\n%q", scope, generation, about)
	return hex.EncodeToString(mac.Sum(nil))
}

// publicToken makes the token of an incident that was opened before there was a key: a create
// that was sent then is repeated as the same call.
func publicToken(scope inventory.Scope, lostID string, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "flowkeeper\n%s\n%s\n%d", scope, lostID, generation))
	return hex.EncodeToString(sum[:])
}

// randomToken returns the token of an incident's next generation, which can't be predicted. It
// is in the state file before the call (I4).
func (c *Case) randomToken(i Incident) string {
	return TokenKey(c.Random[:]).sign(i.Scope, i.Generation, i.FlowLogID)
}

// isRandomToken reports whether a text looks like what randomToken returns.
func isRandomToken(token string) bool {
	b, err := hex.DecodeString(token)
	return err == nil && len(b) == sha256.Size
}
