package deploy_test

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowkeeper/test/python"
)

//go:embed awscli.txt
var awsCLI string

// page is one or more pages of the documentation whose commands a test types: in bash, with the AWS CLI, each in
// the account that the page says.
type page struct {
	blocks   map[string][]string // by language and section: "sh 1. Values"
	names    *strings.Replacer   // the page's example values -> those of the test
	values   []string            // commands that the page says to repeat in each shell
	folder   string              // the working directory of the shell
	path     string              // the folder with the commands of this test, first in PATH
	endpoint string
}

// openPages reads the blocks of pages. endpoint is the AWS to call; empty: none. instead has pairs of a text of the
// page and its replacement.
func openPages(t *testing.T, files []string, endpoint string, instead ...string) *page {
	t.Helper()
	deploy, err := filepath.Abs(folder)
	must(t, err)
	p := &page{blocks: map[string][]string{}, names: strings.NewReplacer(instead...), folder: t.TempDir(), endpoint: endpoint}
	must(t, os.Symlink(deploy, filepath.Join(p.folder, "deploy")))
	p.path = t.TempDir()
	if endpoint != "" {
		p.command(t, "aws", startCLI(t)+` "$@"`)
	}
	p.command(t, "sleep", ":")        // the page sleeps until AWS has done something
	p.command(t, "sudo", `exec "$@"`) // the test is no operator with sudo
	p.command(t, "systemctl", `echo "$*" >> "$(dirname "$0")/systemctl.log"`)
	for _, file := range files {
		section, language, block := "", "", ""
		for line := range strings.Lines(string(read(t, filepath.Join("../../docs", file)))) {
			inList := strings.TrimPrefix(line, "  ")
			switch {
			case strings.HasPrefix(inList, "```") && language != "":
				p.blocks[language+" "+section] = append(p.blocks[language+" "+section], block)
				language, block = "", ""
			case strings.HasPrefix(inList, "```"):
				language = strings.TrimSpace(inList[3:])
			case language != "":
				block += line
			case strings.HasPrefix(line, "## "):
				section = strings.TrimSpace(line[3:])
			}
		}
	}
	return p
}

// command makes a command that the page's shell finds first.
func (p *page) command(t *testing.T, name, script string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(p.path, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// section returns the n blocks of a section. The test fails if there are more or fewer, because it says for each
// block where to type it.
func (p *page) section(t *testing.T, name string, n int) []string {
	t.Helper()
	blocks := p.blocks[name]
	if len(blocks) != n {
		t.Fatalf("%q has %d blocks, this test knows %d", name, len(blocks), n)
	}
	return blocks
}

// try types commands in an account. It stops at the first that fails, as a person would.
func (p *page) try(ctx context.Context, account, commands string) (stdout string, err error) {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", p.names.Replace(strings.Join(append(p.values, commands), "\n")))
	cmd.Dir = p.folder
	cmd.Env = []string{
		"PATH=" + p.path + ":" + os.Getenv("PATH"), "HOME=" + p.folder, "AWS_ENDPOINT_URL=" + p.endpoint, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + account, "AWS_SECRET_ACCESS_KEY=any-secret", "AWS_PAGER=",
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("account %s: %w\n%s%s\n%s", account, err, out, stderr.String(), p.names.Replace(commands))
	}
	return string(out), err
}

// types types commands, which must succeed.
func (p *page) types(t *testing.T, account, commands string) (stdout string) {
	t.Helper()
	out, err := p.try(t.Context(), account, commands)
	must(t, err)
	return out
}

var cliEnvironment = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return python.Environment(ctx, "awscli", awsCLI, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
})

// startCLI starts the AWS CLI for a test, and returns the command with which a shell calls it.
func startCLI(t *testing.T) string {
	t.Helper()
	dir, err := cliEnvironment()
	must(t, err)
	program, err := filepath.Abs("aws.py")
	must(t, err)
	socket, err := os.MkdirTemp("", "aws") // the path of a socket must be short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(socket) })
	socket = filepath.Join(socket, "s")
	cmd := exec.Command(python.Interpreter(dir), program, "serve", socket)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	stdin, err := cmd.StdinPipe() // the CLI ends when this is closed, which the end of this process does, too
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the AWS CLI: %v\n%s", err, stderr)
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the AWS CLI: %q, %v\n%s", line, err, stderr)
	}
	return fmt.Sprintf("exec %q -I -S %q %q", python.Interpreter(dir), program, socket)
}
