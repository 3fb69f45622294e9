// Package s3region calls S3 in the Region of a bucket. [Call] asks in the Region that is known, or else in
// the client's. If S3 answers that the bucket is in another Region, the call is repeated there, once, and
// the [Region] remembers that.
//
// The package starts no goroutine and imports nothing of Flowkeeper.
package s3region
