// Package answer classes what EC2 answered to a call: whether time helps or a person
// must, which reason an incident gets, and what to advise. It makes no calls.
package answer
