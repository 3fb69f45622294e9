// Package logfile reads the log files that CloudTrail writes to S3.
//
//  1. ParseKey says, from the key of an object alone, what the object is, and of which
//     account, Region and day.
//  2. Scan inflates a file and finds the records that may matter (cloudtrail.Wanted), without
//     parsing the others. It tracks braces and strings only (skip.go).
//
// Scan needs the same memory for a file of any size: a window, which holds the record being
// read (window.go). The inflated size of a file, and the size of a record, have limits. It never
// panics, whatever the input (FuzzScan).
//
// The package opens no file, calls no AWS, and starts no goroutine.
package logfile
