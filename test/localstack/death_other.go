//go:build !linux

package localstack

import "syscall"

// dieWithParent does nothing: only Linux has it. A test process that is
// killed leaves its LocalStack running here.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
