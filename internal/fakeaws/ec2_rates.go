package fakeaws

import (
	"net/http"
	"time"
)

// Rate is how often an action may be called: a bucket of tokens, of which each call takes
// one, dry runs and refused calls too.
type Rate struct {
	Burst     int // tokens of a full bucket
	PerSecond int // tokens that it gains
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

// bucket of tokens. Its zero value is full.
type bucket struct {
	full time.Time // when it is full, if nothing more is taken
}

// take takes a token. Of a clock that goes back the bucket is empty at worst.
func (b *bucket) take(now time.Time, r Rate) bool {
	gain := time.Second / time.Duration(r.PerSecond) // of one token
	lacks := min(max(b.full.Sub(now), 0), time.Duration(r.Burst)*gain)
	enough := lacks <= time.Duration(r.Burst-1)*gain
	if enough {
		lacks += gain
	}
	b.full = now.Add(lacks)
	return enough
}

func (s *Scope) limit(action string) error {
	rate, limited := s.ec2.settings.Rates[action]
	if !limited {
		return nil
	}
	b := s.buckets[action]
	enough := b.take(s.ec2.now(), rate)
	s.buckets[action] = b
	if !enough {
		return Errorf("RequestLimitExceeded", "Request limit exceeded.").WithStatus(http.StatusServiceUnavailable)
	}
	return nil
}
