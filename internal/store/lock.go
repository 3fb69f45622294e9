package store

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile holds an exclusive lock for as long as the file is open: the
// system lets go of it even when the process is killed.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another Flowkeeper runs on this state file (%s is locked): stop it, or give each daemon its own state.path", path)
	}
	return f, nil
}
