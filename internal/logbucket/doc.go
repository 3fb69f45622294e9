// Package logbucket reads CloudTrail's log files from the buckets that the configuration names.
//
// Read streams one object through logfile.Scan, and keeps neither the file nor its inflated content
// in memory. It tells S3 who must own the bucket, finds the bucket's Region by S3's own redirect, and
// gives up on an answer that does not come, or stops coming. After that only one call in each pause
// asks the bucket, so that a bucket that hangs delays few callers.
//
// The package starts no goroutine but timers, writes nothing, and reads no other bucket.
package logbucket
