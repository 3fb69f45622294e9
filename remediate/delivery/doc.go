// Package delivery says what the restore of a flow log and the delivery of its records
// depend on: a destination, roles, permissions. It has only plain values and pure functions.
package delivery
