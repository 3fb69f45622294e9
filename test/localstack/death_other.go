//go:build !linux

package localstack

import "syscall"

// dieWithParent does nothing, because only Linux can do that. Here a test process that is killed leaves its
// LocalStack running.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
