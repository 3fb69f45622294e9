package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress shows people on a terminal that something takes its time: nothing for
// the first two seconds, then one line that is renewed, makes room for whatever
// else is written, and is wiped at the end.
type progress struct {
	a              *app
	stdout, stderr io.Writer // the app's own
	what           string
	total          int // 0: not known
	begun          time.Time

	mu      sync.Mutex // guards what follows, and the terminal
	timer   *time.Timer
	done    int
	line    string // that stands there
	midline bool   // the output's last line is not complete
}

const patience = 2 * time.Second

// progress begins; the caller ends it.
func (a *app) progress(what string, total int) *progress {
	p := &progress{a: a, stdout: a.stdout, stderr: a.stderr, what: what, total: total, begun: time.Now()}
	if !a.stderrTerminal {
		return p
	}
	a.stderr = beside{p, a.stderr}
	if a.terminal {
		a.stdout = beside{p, a.stdout}
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

// wipe works on the dumbest terminal too. The caller holds mu.
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

// beside is an output that the line makes room for.
type beside struct {
	p *progress
	w io.Writer
}

func (b beside) Write(text []byte) (int, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.wipe()
	if len(text) > 0 {
		b.p.midline = text[len(text)-1] != '\n'
	}
	return b.w.Write(text)
}
