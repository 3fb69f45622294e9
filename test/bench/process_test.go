package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the real binary in a process of its own, so that its memory and CPU time are not mixed with those of
// AWS, the pager and the attacker, which run in the test's process.
type process struct{ *exec.Cmd }

// binary is what `make build` makes.
func binary(b *testing.B) string {
	path, err := filepath.Abs("../../bin/flowkeeper")
	must(b, err)
	return path
}

// start starts the binary, with its state file on a real disk and with more settings as YAML. It returns when
// the first refresh of this number of scopes is done.
func (s *bed) start(b *testing.B, pager string, scopes int, settings string) *process {
	dir := disk(b)
	config := filepath.Join(dir, "flowkeeper.yaml")
	must(b, os.WriteFile(config, fmt.Appendf(nil, "queue: {url: %q}\naws: {region: %s, endpoint_url: %q}\nstate: {path: %q}\nhttp: {listen: \"\"}\nlog: {format: json}\n"+
		"alerts: [{type: webhook, name: pager, url: %q, min_level: high}]\n%s",
		s.queueURL, region, s.url, filepath.Join(dir, "state.db"), pager+"/deletions", settings), 0o600))
	keys, err := s.user().Retrieve(b.Context())
	must(b, err)
	c := exec.CommandContext(within(b, 5*time.Minute), binary(b), "run", "--config", config)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN=")
	log, err := c.StderrPipe()
	must(b, err)
	must(b, c.Start())
	refreshed := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(log); scopes > 0 && lines.Scan(); {
			var l struct {
				Msg    string
				Scopes int
			}
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "refreshed" {
				scopes -= max(1, l.Scopes)
			}
		}
		close(refreshed)
		_, _ = io.Copy(io.Discard, log)
	}()
	select {
	case <-refreshed:
	case <-time.After(time.Minute):
		b.Fatal("no refresh within a minute")
	}
	return &process{c}
}

func (p *process) stop(b *testing.B) {
	must(b, p.Process.Signal(syscall.SIGTERM))
	must(b, p.Wait())
}

// cpu is the CPU time of the process so far: utime and stime of proc_pid_stat(5), which are in hundredths of a
// second.
func (p *process) cpu(b *testing.B) time.Duration {
	_, rest, _ := strings.Cut(p.proc(b, "stat"), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		must(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// forgetPeak makes the kernel measure the peak of memory from now on: proc_pid_clear_refs(5).
func (p *process) forgetPeak(b *testing.B) {
	must(b, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Process.Pid), []byte("5"), 0))
}

// memory is the memory of the process now, and its peak, in MB: VmRSS and VmHWM of proc_pid_status(5).
func (p *process) memory(b *testing.B) (now, peak float64) {
	for line := range strings.Lines(p.proc(b, "status")) {
		var kB float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kB); n == 1 {
			now = kB / 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kB); n == 1 {
			peak = kB / 1024
		}
	}
	return now, peak
}

func (p *process) proc(b *testing.B, file string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Process.Pid, file))
	must(b, err)
	return string(text)
}
