// Package fakeaws is an AWS in this process: EC2's flow logs, SQS and STS behind
// one http.Handler that speaks their wire protocols. The AWS SDK is its client,
// so that the demo and the tests run the code that users run.
//
//  1. world.go finds the service and the caller by the signature, has the
//     Service parse the request, and asks the function that Intercept has set
//     whether to refuse it, or to lose its answer.
//  2. The Service (ec2*.go, sqs*.go, iam.go) answers as AWS does. EC2 asks its Hooks (ec2_hooks.go)
//     whether anything else refuses a call, and for the answers of operations that it does not have.
//  3. For calls that change flow logs, record.go makes the CloudTrail record and
//     delivers it to the queue.
//
// The demo uses only this package. Package fakeawstest adds what only tests need. With Handle it adds
// services: SNS, S3, Organizations, roles to assume. With Intercept it adds faults, and the further
// permissions that creates need. With SetHooks it gives EC2 rates, quotas, tag policies and
// DescribeRegions, and keeps the calls. With In, tests read and change a scope of EC2.
//
// Some operations that the demo does not call are in this package too. The daemon calls CreateTags
// after a create for several flow logs, and ChangeMessageVisibility after a failure. SQS's CreateQueue,
// DeleteQueue, SetQueueAttributes, SendMessage, SendMessageBatch and DeleteMessage need only a few
// lines each, because other operations need their checks and queues.
//
// A World is safe for concurrent use: EC2, IAM, Trail and SQS each have a mutex of
// their own. Listen serves in one goroutine until the function that it
// returns is called.
//
// It never guesses: it refuses what AWS refuses, and everything that it does not
// know. The pages of AWS that it follows are in docs/aws.md; those for S3 and Organizations are in
// fakeawstest. If it is not known what AWS does, fakeawstest.EC2Settings chooses between the possible
// answers. The package test/contract runs one suite against it and LocalStack.
package fakeaws
