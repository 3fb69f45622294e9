// Package recordsource finds the files with CloudTrail records that people name: files,
// folders, patterns of file names, and prefixes of S3 buckets.
//
//  1. Finder.Find yields the files of the arguments one by one, in a fixed order. What it finds
//     is never held as a whole.
//  2. Selection says which records are asked for. Where the name of a file says that it holds
//     none of them, the file is not opened; in a bucket, folders of other accounts, Regions and
//     days are not listed (tree.go).
//  3. Ordered works on several files at the same time, and yields the results in the order of
//     the files.
//
// Goroutines: those of Ordered, which end before it returns. The package only reads: it calls
// ListObjectsV2 and GetObject of S3, and opens files. It follows no symbolic link out of a
// folder.
package recordsource
