// Package watcher reads messages from the SQS queue, takes the CloudTrail records
// out of them, passes these to a Handler, and deletes each message last (I1).
//
// A message takes this way:
//
//  1. A receiver gets up to ten messages in one ReceiveMessage call.
//  2. Unwrap opens the envelope (EventBridge, SNS, {"Records":[…]}, a bare
//     record), and internal/cloudtrail decodes the records that may matter.
//  3. The Handler is called; its nil means that everything is on disk.
//  4. Then the message is deleted. A message that failed, or that can't be
//     parsed, is hidden for longer each time and received again; the queue's
//     redrive policy ends that (I8).
//
// Run owns these goroutines and waits for all of them: one receiver, and up to
// three more while there is a backlog; at most sixteen handlers; one that collects handled
// messages, and up to four that delete them, ten in a call; one that makes failed messages
// visible once the state file can be written again. While a handler works, one goroutine keeps
// its message hidden.
//
// The package never deletes a message that the Handler did not accept, never ends
// because of a message, and never visits an address that a message names.
package watcher
