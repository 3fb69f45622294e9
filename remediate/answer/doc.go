// Package answer classes what EC2 answered to a call: whether time helps or a person
// must, which reason an incident gets, and what to advise. It makes no calls: call.go
// only says how they are made, once each and with a limit of time.
package answer
