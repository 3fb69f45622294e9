// Package delivery says what the restore of a flow log, and the delivery of its
// records, depend on: a destination, roles, permissions. It is pure: plain values and
// functions of them.
package delivery
