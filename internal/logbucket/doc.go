// Package logbucket reads CloudTrail's log files from the buckets that the configuration names.
//
// Read streams one object through logfile.Scan: neither the file nor what it inflates to is
// held. It tells S3 who must own the bucket, finds the bucket's Region by S3's own redirect, and
// gives up on an answer that does not come, or stops coming. After that it asks the bucket again
// from time to time only, so that a bucket that hangs holds up few callers.
//
// The package starts no goroutine but timers, writes nothing, and reads no other bucket.
package logbucket
