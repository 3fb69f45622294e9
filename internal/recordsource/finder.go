package recordsource

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync/atomic"
)

// File is one file, or object of S3, to read.
type File struct {
	Name string // path or URL, for people
	// LogFile: by its name it is a log file of CloudTrail, which may be large.
	LogFile bool
	// Open opens it to be read from the beginning; the caller closes it. The context is for the
	// reading too.
	Open func(context.Context) (io.ReadCloser, error)
}

// Finder finds files. It is safe for concurrent use.
type Finder struct {
	Selection
	// Stdin opens the standard input.
	Stdin func(context.Context) (io.ReadCloser, error)
	// Bucket returns the bucket of that name. Find does not call it concurrently.
	Bucket func(ctx context.Context, name string) (*Bucket, error)

	// Counted by Find: log files that the selection leaves out, and files in folders and buckets
	// whose names are not those of files with records.
	Outside, Others atomic.Int64
}

// Find yields the files that the arguments name, in the order of the arguments; the files of one
// argument by name. "-" means the standard input, s3://bucket/prefix all objects whose keys begin
// with the prefix, a folder the files in it and below it, a pattern the files that filepath.Match
// matches, and any other argument one file.
//
// An error is about the File that is yielded with it, which has only a name. The other files are still found.
func (f *Finder) Find(ctx context.Context, args []string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for _, arg := range args {
			more := true
			switch {
			case arg == "-":
				more = yield(File{Name: arg, Open: f.Stdin}, nil)
			case IsURL(arg):
				more = f.bucket(ctx, arg, yield)
			default:
				more = f.local(ctx, arg, yield)
			}
			if !more || ctx.Err() != nil {
				return
			}
		}
	}
}

// pick yields a file in a folder or a bucket, if its name says that it may hold records that are
// asked for.
func (f *Finder) pick(key string, file File, yield func(File, error) bool) bool {
	switch f.classify(key) {
	case other:
		f.Others.Add(1)
		return true
	case outside:
		f.Outside.Add(1)
		return true
	case logFile:
		file.LogFile = true
	}
	return yield(file, nil)
}

// IsURL reports whether an argument means a bucket, also if it is mistyped.
func IsURL(arg string) bool { return strings.HasPrefix(strings.ToLower(arg), "s3:") }
