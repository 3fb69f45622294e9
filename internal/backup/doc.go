// Package backup copies the state file to S3 and reads it back on a machine that
// has none.
//
//  1. Save compresses a finished copy of the file and puts it under PREFIX/state.db.gz,
//     and the last one of each day under PREFIX/daily/.
//  2. The object's metadata names the state file that it is a copy of.
//  3. Load reads the latest copy, with a bound on its size.
//
// The package owns no goroutine; internal/daemon/copies.go decides when.
//
// It never overwrites the copy of another state file. It does not check the content of a copy:
// internal/store/adopt.go does, because an attacker with write access to the bucket can forge
// a copy (docs/security.md).
package backup
