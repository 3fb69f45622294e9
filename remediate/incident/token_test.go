package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const testKey TokenKey = "0123456789abcdef0123456789abcdef"

// TestToken: if a newer version made another token for the same create, AWS would take a repeat for a new call, and
// make a second flow log (I4). The expected tokens were computed with other tools.
func TestToken(t *testing.T) {
	t.Parallel()
	lost := Incident{Scope: scope, FlowLogID: "fl-1", Keyed: true}
	before := lost
	before.Keyed = false
	random := lost
	random.RandomToken = strings.Repeat("ab", 32)
	for _, c := range []struct {
		name string
		key  TokenKey
		of   Incident
		want string
	}{
		{"with the key", testKey, lost, "88f159e6bfa22c40d4e0dc7fb96d6585c074619d80518e08fd35b91262d19ceb"},
		{"with another key", "another", lost, "e08e28f595a06e4dbc8a8851b8137061bf71bdc4339e9639898f5c774a58d5ca"},
		{"opened before there was a key", testKey, before, "acbd24da601ab27754ba48330d988fbadf74c738bbc4c9d2849a36212e50a375"},
		{"opened before there was a key: no key counts", "another", before, "acbd24da601ab27754ba48330d988fbadf74c738bbc4c9d2849a36212e50a375"},
		{"taken after a mismatch", testKey, random, random.RandomToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.key.Token(c.of); got != c.want || len(got) != 64 {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if testKey.sign(scope, 0, "fl-1", "fl-2") == testKey.sign(scope, 0, "fl-2", "fl-1") || testKey.sign(scope, 0, "fl-1", "fl-2") == testKey.sign(scope, 0, `fl-1" "fl-2`) {
		t.Error("calls for several other flow logs have the same token")
	}
}

// TestSpentTokens: AWS has answered a create with a flow log that is lost by now. With the same token it would answer
// that one again. So the reopened incident must have another token.
func TestSpentTokens(t *testing.T) {
	t.Parallel()
	made := back("fl-1", "fl-2", func(i *Incident) { i.Keyed, i.RandomToken = true, "random" })
	adopted, refused := made, made
	adopted.Adopted, refused.NewID = true, ""
	for name, c := range map[string]struct {
		of    Incident
		spent bool
	}{
		"it made a flow log":              {made, true},
		"somebody else made one":          {adopted, false},
		"as far as is known it made none": {refused, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if again := c.of.reopen(now); (testKey.Token(again) != testKey.Token(c.of)) != c.spent {
				t.Errorf("the token is %s, and then %s; want another: %t", testKey.Token(c.of), testKey.Token(again), c.spent)
			}
		})
	}
}

// TestI4RandomTokens: the token that follows a used one can't be predicted, and each incident,
// generation and case has another.
func TestI4RandomTokens(t *testing.T) {
	t.Parallel()
	i := pending("fl-1")
	next := i
	next.Generation++
	seen := map[string]bool{}
	for n := range byte(3) {
		c := given()
		c.Random = [32]byte{n}
		for _, of := range []Incident{i, next, pending("fl-2")} {
			seen[c.randomToken(of)] = true
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d tokens, want 9", len(seen))
	}
}

// TestI11TheTokenKeyIsNotPrinted, whatever prints it.
func TestI11TheTokenKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	p := Policy{TokenKey: testKey}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("policy", "policy", p, "key", p.TokenKey)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("policy", "policy", p, "key", p.TokenKey)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d %v", p, p, p, p.TokenKey, p.TokenKey, p.TokenKey, p.TokenKey, &p)
	if err := json.NewEncoder(&out).Encode(p); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, string(testKey)) || strings.Contains(s, fmt.Sprintf("%x", string(testKey))) || !strings.Contains(s, hiddenKey) {
		t.Errorf("printed: %s", s)
	}
}
