// Package demo plays an attack on flow logs against the real daemon and the AWS of
// internal/fakeaws, and checks the result: `flowkeeper demo`.
//
//  1. stage.go starts the AWS in this process and creates what is to be protected.
//  2. play.go deletes flow logs as an attacker would and waits for the daemon.
//  3. timeline.go prints alerts as they are sent.
//  4. report.go compares what AWS has in the end with what it had at first.
//
// Run owns two goroutines, the daemon and the play, and waits for both.
//
// Nothing leaves the machine: it listens on the loopback only, and its state file
// is in a temporary folder that it removes.
package demo
