// Package fakeawstest is the AWS of package fakeaws as tests need it: with SNS,
// S3 and Organizations, called in process, and with faults. Only tests import it: what the
// demo does not use is not in the binary.
//
//  1. New makes a World: one of package fakeaws with the services that this package adds by Handle.
//  2. A request passes the faults that a test has set (faults.go), by Intercept, and then its service.
//
// A World is safe for concurrent use. Like fakeaws, it refuses what AWS refuses and everything that it
// does not know.
package fakeawstest
