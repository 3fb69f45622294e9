// Package detection says which CloudTrail records matter, and why.
//
//  1. Judge takes a decoded record and returns a Finding: deleted, attempted,
//     created, rehearsed, torn down, or tampered.
//  2. rules/*.yml are the same rules in Sigma, for a SIEM. Their ID, title and
//     level are those of the findings; the events of tampering are read from them.
//  3. Finding.Actor puts the record's identity into the fields of an alert.
//
// Everything here is a pure function of the record; there is no goroutine.
//
// The package never looks at the snapshot or the configuration: whether a finding
// concerns a protected flow log is for package remediate to decide. test/sigma
// proves that the code and the Sigma files judge alike.
package detection
