// Package replay says what CloudTrail records in files mean, and what the daemon would do about
// them.
//
//  1. Reader reads the records in the files that package recordsource finds, several at the same
//     time, and yields those that have a finding, in the order of the files.
//  2. Planner.Explain says what a finding means: who did what, and what would be restored. Each
//     judgement is made by the function that the daemon calls: detection.Judge, Case.Forecast,
//     remediate.RecordOf, tamper.ImpactOf.
//  3. Summary sums findings up by who did what, and where.
//
// Goroutines: those that read files, which end with the loop over Reader.Read. The package writes
// nothing: it reads files, objects of S3, and, by a View, the state file.
package replay
