// Package queuepolicy judges the policy of an SQS queue: who may send to it, who may take
// messages out of it, and whether it denies us to do so.
//
//	judge.go      [Judge]: the verdict about a policy
//	senders.go    who may send
//	callers.go    whether a Deny applies to us, or to a role as which a rule sends
//	receivers.go  which strangers may receive, or change the queue
//	better.go     [Better]: a policy to set instead
//	names.go      [Rules], [Topics]: which rules and topics a policy names
//	policy.go     the document; statement.go: the forms of statements
//
// It is pure: plain values and functions of them.
//
// Only AWS can evaluate policies. The package judges a few exact forms of statements, which
// docs/decisions/policies.md lists. About any other statement that may matter it says
// "can't tell", and that a person has to read it.
package queuepolicy
