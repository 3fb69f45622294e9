// Package queuepolicy judges the policy of an SQS queue: who may send to it, who may take
// messages out of it, and whether it keeps us from that.
//
//	judge.go      [Judge]: the verdict about a policy
//	senders.go    who may send; roles.go: whether rules that send as a role may
//	receivers.go  which strangers may receive, or change the queue; own.go: whether we may
//	better.go     [Better]: a policy to set instead
//	names.go      [Rules], [Topics]: which rules and topics a policy names
//	policy.go     the document; statement.go: the forms of statements
//
// It is pure: plain values and functions of them.
//
// Wildcards stand for what AWS's manual says (docs/aws.md): in an operator for ARNs each part is compared by
// itself.
//
// Only AWS can evaluate policies. The package judges a few exact forms of statements:
//
//   - Allow to services or to everybody, from some aws:SourceArn, aws:SourceAccount, or
//     without a condition
//   - Allow to users, roles or accounts, without a condition
//   - Deny to some principals or to everybody, without a condition
//   - Deny to everybody but some exact aws:SourceArn and aws:PrincipalArn
//   - Deny to users and roles, or under a condition that rules and topics never meet. Whether it
//     holds for a role as which a rule sends is judged by its principals and by its conditions on
//     aws:PrincipalArn, aws:SourceArn, TLS and AWS's own services; any other may hold
//
// These are what deploy/, docs/setup.md and AWS's console make, and the simple ones that
// open the queue to everybody or close it. Of any other statement that may matter it says
// "can't tell", and which one to read.
package queuepolicy
