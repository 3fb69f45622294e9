package localstack

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const rootPattern = "flowkeeper-localstack-*"

// root is the directory that one LocalStack writes to. It is locked while its test process lives, so that a
// later test process can recognise what a killed one left behind.
type root struct {
	dir  string
	lock *os.File
}

func newRoot() (*root, error) {
	sweep(os.TempDir(), time.Now().Add(-time.Minute))
	dir, err := os.MkdirTemp("", rootPattern)
	if err != nil {
		return nil, fmt.Errorf("make LocalStack's directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lock LocalStack's directory: %w", err)
	}
	return &root{dir: dir, lock: lock}, nil
}

// lockDir holds dir until the file is closed; it fails if another holds it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (r *root) remove() error {
	defer r.lock.Close()
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("remove LocalStack's directory: %w", err)
	}
	return nil
}

// sweep removes the directories below dir that no process has locked. It keeps those that changed after before:
// a new one may not be locked yet.
func sweep(dir string, before time.Time) {
	found, _ := filepath.Glob(filepath.Join(dir, rootPattern)) // the pattern is valid
	for _, d := range found {
		info, err := os.Stat(d)
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		if lock, err := lockDir(d); err == nil {
			_ = os.RemoveAll(d) // fails for another user's directory, which that user must remove
			lock.Close()
		}
	}
}
