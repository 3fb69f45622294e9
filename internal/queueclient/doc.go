// Package queueclient makes the SQS client for queue.url.
//
// Calls to SQS carry the queue's URL as a parameter, but the host that the SDK
// connects to and the Region that it signs for come from the options of the
// client. All code that talks to the queue takes its client from New, so that all
// of it asks the same host.
//
// The package starts no goroutine. Only a Sender makes calls.
package queueclient
