// Package cloudtrail decodes CloudTrail records.
//
//  1. Wanted reports, without parsing, whether a record may matter.
//  2. Decode reads the record: event, scope, identity, flow log IDs, and what AWS
//     refused.
//  3. Records that are no management call, and records that repeat an earlier one
//     (addenda), are marked (kind.go).
//  4. For calls that change what flow logs depend on, the changed resource is read
//     from the parameters (tamper.go).
//
// Everything here is a pure function: no goroutine, no clock, no I/O.
//
// The package never panics, whatever the input (FuzzDecode), limits the length of
// each text, and trusts nothing: a record is untrusted text until AWS itself confirms
// it (I2). The shapes that it tolerates are in docs/aws.md.
package cloudtrail
