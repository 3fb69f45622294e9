// Package recordfile reads CloudTrail records out of the files that people have: log files
// of CloudTrail, messages, and what tools print of them (the AWS CLI, CloudTrail Lake, a
// Lambda function's event). The forms of the last kind are never in the queue, so the
// watcher does not read them.
//
// values.go splits a file into its JSON values, within bounds: it may be a decompression
// bomb; and so may what a subscription of CloudWatch Logs holds. expand.go takes the records or
// the message out of one value; watcher.Unwrap reads on.
//
// The package starts no goroutine and opens no file.
package recordfile
