// Package campaign says which deletions belong together: those of one principal in one
// account that follow each other. They share an incident of the pager, which is resolved when
// nothing is left to do about any of them.
//
//  1. [Join] gives the event of a deletion its campaign: one that goes on, or a new one.
//  2. [GoesOn] says, when an event is over, whether its campaign has other events that are not over.
//     If it has none, the campaign ends: no deletion joins it any more.
//
// Both run in a transaction of their caller, through [Tx]. The package has no clock, starts no
// goroutine and calls no AWS. It must never let a deletion of an unknown flow log join a
// campaign: forged records could keep the campaign open without end.
package campaign
