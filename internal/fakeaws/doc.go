// Package fakeaws is a strict AWS in this process: EC2's flow logs, SQS and STS
// behind one http.Handler that speaks their wire protocols. The real SDK is its
// client, so what is tested is what users run. It refuses what AWS refuses, and
// what it does not know. The demo runs on it; package fakeawstest adds what only
// tests need.
//
// A request passes, in handler.go, authentication by its access key, Parse of its
// Service, the function set with Intercept, and Answer of the Service. A lost
// answer has its effect, and its connection is cut.
//
// World.mu guards everything of EC2 and STS, sqsService.mu the queues. The
// package starts no goroutine but the server of Listen.
package fakeaws
