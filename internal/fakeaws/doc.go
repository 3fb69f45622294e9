// Package fakeaws is an AWS in this process: EC2's flow logs, SQS and STS behind
// one http.Handler that speaks their wire protocols. The AWS SDK is its client,
// so that the demo and the tests run the code that users run.
//
//  1. world.go finds the service and the caller by the signature, has the
//     Service parse the request, and asks the function that Intercept has set
//     whether to refuse it, or to lose its answer.
//  2. The Service (ec2*.go, sqs*.go, iam.go) answers as AWS does. EC2 asks its Hooks (ec2_hooks.go)
//     what else refuses a call, and for an operation that it does not have.
//  3. For calls that change flow logs, record.go makes the CloudTrail record and
//     delivers it to the queue.
//
// The demo uses this package alone. Package fakeawstest adds what only tests need. It adds
// services by Handle: SNS, S3, Organizations, roles to assume. By Intercept calls meet faults, and
// creates need more permissions. By SetHooks EC2 has rates, quotas, tag policies and
// DescribeRegions, and calls are kept. In lends a scope of EC2, which tests look at and change.
//
// Some operations that the demo does not cause are here all the same. The daemon calls CreateTags
// after a create for several flow logs, and ChangeMessageVisibility after a failure. Of SQS,
// CreateQueue, DeleteQueue, SetQueueAttributes, SendMessage, SendMessageBatch and DeleteMessage are
// a few lines each, on checks and queues that the other operations need.
//
// A World is safe for concurrent use: EC2, IAM, Trail and SQS each have a mutex of
// their own. Listen serves in one goroutine until the function that it
// returns is called.
//
// It never guesses: it refuses what AWS refuses, and everything that it does not
// know. The pages of AWS that it follows are in docs/aws.md; what S3 and Organizations follow is in
// fakeawstest. Where it is not known what AWS does, EC2Settings there chooses between the answers
// that are possible. The package test/contract runs one suite against it and LocalStack.
package fakeaws
