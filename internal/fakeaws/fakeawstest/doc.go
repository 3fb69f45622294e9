// Package fakeawstest is the AWS of package fakeaws as tests need it: with SNS,
// S3 and Organizations, called in process, with faults, and with control over EC2.
// Only tests import it, so that it is not in the binary.
//
//  1. New makes a World: one of package fakeaws with the services that this package adds by Handle.
//  2. A request passes the faults that a test has set (faults.go), by Intercept, and then its service. EC2 asks the
//     hooks of this package (ec2_hooks.go) by SetHooks, which answer DescribeRegions too (ec2_regions.go).
//  3. Tests look at the flow logs and change them without calls (ec2_scope.go), by In.
//
// A World is safe for concurrent use. Like fakeaws, it refuses what AWS refuses and everything that it
// does not know.
package fakeawstest
