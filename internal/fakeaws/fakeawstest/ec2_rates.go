package fakeawstest

import (
	"net/http"
	"time"

	"flowkeeper/internal/fakeaws"
)

// Rate is how often an action may be called: a bucket of tokens, of which each call takes
// one, dry runs and refused calls too.
type Rate struct {
	Burst     int // tokens of a full bucket
	PerSecond int // tokens that the bucket gains each second
}

// AWSRates are the rates that AWS documents for the actions that restores and attacks
// call, by action. Each account and Region has buckets of its own.
func AWSRates() map[string]Rate {
	return map[string]Rate{
		"CreateFlowLogs":   {50, 5},
		"DeleteFlowLogs":   {50, 5},
		"DescribeFlowLogs": {100, 20},
		"CreateTags":       {100, 10},
	}
}

// tokenBucket is a bucket of tokens. Its zero value is full.
type tokenBucket struct {
	full time.Time // when it is full, if nothing more is taken
}

// take takes a token, and returns false if there is none. If the clock goes back, the bucket
// counts as empty at worst.
func (b *tokenBucket) take(now time.Time, r Rate) bool {
	gain := time.Second / time.Duration(r.PerSecond) // of one token
	lacks := min(max(b.full.Sub(now), 0), time.Duration(r.Burst)*gain)
	enough := lacks <= time.Duration(r.Burst-1)*gain
	if enough {
		lacks += gain
	}
	b.full = now.Add(lacks)
	return enough
}

// rateKey names a bucket.
type rateKey struct{ account, region, action string }

// Before implements fakeaws.Hooks: it takes a token for a call.
func (h *ec2Hooks) Before(q *fakeaws.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	rate, limited := h.settings.Rates[q.Operation]
	if !limited {
		return nil
	}
	key := rateKey{q.Account, q.Region, q.Operation}
	b := h.buckets[key]
	enough := b.take(h.now(), rate)
	h.buckets[key] = b
	if !enough {
		return fakeaws.Errorf("RequestLimitExceeded", "Request limit exceeded.").WithStatus(http.StatusServiceUnavailable)
	}
	return nil
}
