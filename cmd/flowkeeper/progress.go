package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress shows on a terminal how far something is: nothing for the first two
// seconds, then one line, renewed every two seconds. It is wiped before anything else
// is written, and at the end.
type progress struct {
	a              *app
	stdout, stderr io.Writer // the app's own
	what           string
	total          int // 0: not known
	begun          time.Time

	mu      sync.Mutex // guards what follows, and the terminal
	timer   *time.Timer
	done    int
	line    string // on the terminal now
	midline bool   // the output's last line is not complete
}

const patience = 2 * time.Second

// progress begins; the caller must end it. total 0: not known.
func (a *app) progress(what string, total int) *progress {
	p := &progress{a: a, stdout: a.stdout, stderr: a.stderr, what: what, total: total, begun: time.Now()}
	if !a.stderrTerminal {
		return p
	}
	a.stderr = wiping{p, a.stderr}
	if a.terminal {
		a.stdout = wiping{p, a.stdout}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(patience, p.renew)
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

func (p *progress) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return // it has ended
	}
	p.timer.Reset(patience)
	if p.midline {
		return
	}
	p.wipe()
	p.line = p.what
	if p.total > 0 {
		p.line += fmt.Sprintf(": %d of %d", p.done, p.total)
	} else if p.done > 0 {
		p.line += fmt.Sprintf(": %d", p.done)
	}
	p.line += fmt.Sprintf(", %d s", time.Since(p.begun)/time.Second)
	fmt.Fprint(p.stderr, p.line)
}

// wipe works on every terminal: it uses no escape sequences. The caller holds mu.
func (p *progress) wipe() {
	if p.line != "" {
		fmt.Fprint(p.stderr, "\r"+strings.Repeat(" ", len(p.line))+"\r")
		p.line = ""
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.wipe()
	p.a.stdout, p.a.stderr = p.stdout, p.stderr
}

// wiping is an output: before a write the line is wiped.
type wiping struct {
	p *progress
	w io.Writer
}

func (w wiping) Write(text []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.wipe()
	if len(text) > 0 {
		w.p.midline = text[len(text)-1] != '\n'
	}
	return w.w.Write(text)
}
