// Package queuepolicy judges the policy of an SQS queue: who may send to it, who may take
// messages out of it, and whether it keeps us from that.
//
//	judge.go      [Judge]: the verdict about a policy
//	senders.go    who may send
//	callers.go    whether a Deny is for us, or for the role of a rule that sends as one
//	receivers.go  which strangers may receive, or change the queue
//	better.go     [Better]: a policy to set instead
//	names.go      [Rules], [Topics]: which rules and topics a policy names
//	policy.go     the document; statement.go: the forms of statements
//
// It is pure: plain values and functions of them.
//
// Only AWS can evaluate policies. The package judges a few exact forms of statements, which
// docs/decisions/policies.md lists. Of any other statement that may matter it says
// "can't tell", and which one to read.
package queuepolicy
