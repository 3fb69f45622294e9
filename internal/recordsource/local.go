package recordsource

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Errors of arguments that name nothing to read.
var (
	errNoMatch  = errors.New("no file has such a name")
	errNoFolder = errors.New("no file in it has the name of one with records: .json, .jsonl or .ndjson, each also with .gz")
)

// local yields the file, or the files in the folder, or those that match the pattern. It returns
// false if yield did.
func (f *Finder) local(ctx context.Context, arg string, yield func(File, error) bool) bool {
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && adviceFor(arg) != "":
		return yield(File{Name: arg}, errors.New(adviceFor(arg)))
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		return f.pattern(ctx, arg, yield)
	case err != nil:
		return yield(File{Name: arg}, err)
	case info.IsDir():
		return f.folder(ctx, arg, yield)
	}
	file := File{Name: arg, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(arg) }}
	if key := filepath.ToSlash(arg); f.classify(key) != other {
		return f.pick(key, file, yield)
	}
	return yield(file, nil) // who names a file wants it read, whatever its name
}

// pattern expands a pattern, as a shell does if the pattern is not quoted.
func (f *Finder) pattern(ctx context.Context, arg string, yield func(File, error) bool) bool {
	names, err := filepath.Glob(arg)
	if err == nil && len(names) == 0 {
		err = errNoMatch
	}
	if err != nil {
		return yield(File{Name: arg}, err)
	}
	for _, name := range names {
		if !f.local(ctx, name, yield) {
			return false
		}
	}
	return true
}

// folder yields the files in a folder and below. It leaves out symbolic links: a file that a link
// leads to is in the folder under its own name, or outside of it.
func (f *Finder) folder(ctx context.Context, dir string, yield func(File, error) bool) bool {
	found, stopped := false, false
	more := func(file File, err error) bool {
		found = true // also with an error: then it is not known whether there are files
		stopped = !yield(file, err)
		return !stopped
	}
	before := f.Outside.Load()
	_ = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		full := filepath.Join(dir, filepath.FromSlash(name))
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil:
			if !more(File{Name: full}, err) {
				return fs.SkipAll
			}
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			f.Others.Add(1)
			return nil
		}
		file := File{Name: full, Open: func(context.Context) (io.ReadCloser, error) { return os.OpenInRoot(dir, filepath.FromSlash(name)) }}
		if !f.pick(filepath.ToSlash(full), file, more) {
			return fs.SkipAll
		}
		return nil
	})
	if !found && f.Outside.Load() == before && ctx.Err() == nil {
		return yield(File{Name: dir}, errNoFolder)
	}
	return !stopped
}
