// Package answer classifies what EC2 answered to a call: whether waiting helps or a person
// is needed, which reason an incident gets, and what to advise. It makes no calls: call.go
// only says how its callers make them, once each and with a limit of time.
package answer
