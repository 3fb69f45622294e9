// Package recordfile reads CloudTrail records out of the files that people have: log files
// of CloudTrail, messages, and what tools print of them (the AWS CLI, CloudTrail Lake, a
// Lambda function's event). The forms of the last kind are never in the queue, so the
// watcher does not read them.
//
// values.go splits a file into its JSON values, within bounds: a file may be a decompression
// bomb, and so may the data of a subscription of CloudWatch Logs in it. expand.go takes the
// records or the message out of one value; watcher.Unwrap takes the records out of a message.
//
// The package starts no goroutine and opens no file.
package recordfile
