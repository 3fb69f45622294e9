//go:build linux

package systemd_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	roleVariable = "FLOWKEEPER_TEST_ROLE"
	probeRole    = "probe"
)

// finding is the result of one attempt in the sandbox.
type finding struct{ Attempt, Got, Want string }

// attempt is something that an attacker tries after taking over the daemon. do returns the error that the
// attempt meets.
type attempt struct {
	name string
	want error // nil: it must work, because the daemon needs it
	do   func() error
}

// probe makes all attempts, and prints the findings.
func probe(out io.Writer) (code int) {
	if err := os.Mkdir(filepath.Join(os.Getenv("STATE_DIRECTORY"), "probe"), 0o700); err != nil {
		return 1
	}
	var all []finding
	for _, a := range attempts() {
		all = append(all, finding{a.name, outcome(a.do()), outcome(a.want)})
	}
	if err := json.NewEncoder(out).Encode(all); err != nil {
		return 1
	}
	return 0
}

func outcome(err error) string {
	var number syscall.Errno
	switch {
	case err == nil:
		return "works"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}

func attempts() []attempt {
	mine := filepath.Join(os.Getenv("STATE_DIRECTORY"), "probe")
	return []attempt{
		{"run a shell", syscall.EACCES, func() error { return exec.Command("/bin/sh", "-c", "true").Run() }},
		{"run what it wrote into its state", syscall.EACCES, func() error { return runCopy(mine) }},
		{"run what it wrote into /tmp", syscall.EACCES, func() error { return runCopy("/tmp") }},
		{"run what it wrote into /var/tmp", syscall.EACCES, func() error { return runCopy("/var/tmp") }},
		{"run what it wrote into /dev/shm", syscall.EACCES, func() error { return runCopy("/dev/shm") }},
		{"write its state", nil, func() error { return create(filepath.Join(mine, "file")) }},
		{"write beside its state", syscall.EROFS, func() error { return create("/var/lib/file") }},
		{"write into /etc", syscall.EROFS, func() error { return create("/etc/file") }},
		{"write over itself", syscall.EACCES, func() error { return create("/usr/bin/flowkeeper") }},
		{"read its configuration", nil, func() error { return read(os.Getenv("CREDENTIALS_DIRECTORY") + "/flowkeeper.yaml") }},
		{"read its AWS credentials", nil, func() error { return read(os.Getenv("AWS_SHARED_CREDENTIALS_FILE")) }},
		{"read another service's state", syscall.ENOENT, func() error { return syscall.Access("/var/lib/private/other", 0) }},
		{"read the passwords", syscall.EACCES, func() error { return read("/etc/shadow") }},
		{"read the kernel's log", syscall.ENOENT, func() error { return read("/dev/kmsg") }},
		{"see other processes", errors.New("sees none"), seeOthers},
		{"become root", syscall.EPERM, func() error { return call(syscall.SYS_SETUID, 0) }},
		{"mount", syscall.EPERM, func() error { return syscall.Mount("none", mine, "tmpfs", 0, "") }},
		{"make a user namespace", syscall.EPERM, func() error { return call(syscall.SYS_UNSHARE, syscall.CLONE_NEWUSER) }},
		{"trace a process", syscall.EPERM, func() error { return call(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME) }},
		{"set the clock", syscall.EPERM, func() error { return syscall.Settimeofday(&syscall.Timeval{Sec: 1}) }},
		{"set the host's name", syscall.EPERM, func() error { return syscall.Sethostname([]byte("mine")) }},
		{"make code in memory", syscall.EPERM, func() error { return mapped(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC) }},
		{"use plain memory", nil, func() error { return mapped(syscall.PROT_READ | syscall.PROT_WRITE) }},
		{"make a setuid file", syscall.EPERM, func() error {
			path := filepath.Join(mine, "setuid")
			return errors.Join(create(path), syscall.Chmod(path, 0o4700))
		}},
		{"sniff packets", syscall.EAFNOSUPPORT, func() error { return socket(syscall.AF_PACKET, 0) }},
		{"talk to the kernel by netlink", syscall.EAFNOSUPPORT, func() error { return socket(syscall.AF_NETLINK, 0) }},
		{"open a raw socket", syscall.EPERM, func() error { return socket(syscall.AF_INET, syscall.IPPROTO_ICMP) }},
		{"use the network", nil, func() error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				l.Close()
			}
			return err
		}},
	}
}

// runCopy writes a copy of this program and runs it; the copy runs no test.
func runCopy(dir string) error {
	text, err := os.ReadFile("/usr/bin/flowkeeper")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "tool")
	if err := os.WriteFile(path, text, 0o700); err != nil {
		return err
	}
	cmd := exec.Command(path, "-test.run=^$")
	cmd.Env = []string{}
	return errors.Join(cmd.Run(), os.Remove(path))
}

func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		f.Close()
	}
	return err
}

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func call(number, argument uintptr) error {
	if _, _, e := syscall.RawSyscall(number, argument, 0, 0); e != 0 {
		return e
	}
	return nil
}

func socket(family, protocol int) error {
	fd, err := syscall.Socket(family, syscall.SOCK_RAW, protocol)
	if err == nil {
		syscall.Close(fd)
	}
	return err
}

func mapped(protection int) error {
	b, err := syscall.Mmap(-1, 0, 4096, protection, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Munmap(b)
	}
	return err
}

// seeOthers looks for processes other than its own.
func seeOthers() error {
	found, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, d := range found {
		if name := d.Name(); strings.Trim(name, "0123456789") == "" && name != strconv.Itoa(os.Getpid()) {
			return nil
		}
	}
	return errors.New("sees none")
}
