package localstack

import "syscall"

// dieWithParent has the kernel send sig to the child once the thread that
// started it is gone.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
