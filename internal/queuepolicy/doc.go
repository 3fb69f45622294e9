// Package queuepolicy judges the policy of an SQS queue: who may send to it, and who
// may take messages out of it.
//
//	judge.go      [Judge]: the verdict about a policy
//	senders.go    whom statements let send; denials.go: what denials leave of that
//	receivers.go  which strangers may receive, or change the queue
//	better.go     [Better]: a policy to set instead
//	rules.go      [Rules]: which rules a policy names
//	policy.go     the document; statement.go: the forms of statements
//
// It is pure: plain values and functions of them.
//
// Only AWS can evaluate policies. The package judges a few exact forms of statements:
// those that deploy/, docs/setup.md and AWS's console make, and the simple ones that
// open the queue to everybody or close it. Of any other that may matter it says "can't
// tell", and which statement to read.
package queuepolicy
