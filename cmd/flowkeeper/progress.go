package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress tells people on a terminal that something takes its time: nothing
// for the first two seconds, then one line that is renewed, makes room for
// whatever else is written, and is wiped at the end.
type progress struct {
	a              *app
	stdout, stderr io.Writer // the app's own
	stop           chan struct{}
	wg             sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the terminal
	done    int
	shown   int  // characters of the line that stands there
	midline bool // the output's last line is not complete
}

const patience = 2 * time.Second

// progress begins; total 0: nobody knows how many. The caller ends it.
func (a *app) progress(what string, total int) *progress {
	p := &progress{a: a, stdout: a.stdout, stderr: a.stderr, stop: make(chan struct{})}
	if !a.stderrTerminal {
		return p
	}
	a.stderr = beside{p, a.stderr}
	if a.terminal {
		a.stdout = beside{p, a.stdout}
	}
	p.wg.Go(func() { p.show(what, total) })
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

func (p *progress) show(what string, total int) {
	begun := time.Now()
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.line(what, total, time.Since(begun))
		case <-p.stop:
			return
		}
	}
}

func (p *progress) line(what string, total int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.midline {
		return
	}
	text := what + ", "
	switch {
	case total > 0:
		text = fmt.Sprintf("%s: %d of %d, ", what, p.done, total)
	case p.done > 0:
		text = fmt.Sprintf("%s: %d, ", what, p.done)
	}
	text += fmt.Sprintf("%d s", d/time.Second)
	p.wipe()
	p.shown = len(text)
	fmt.Fprint(p.stderr, text)
}

// wipe works on the dumbest terminal too. The caller holds mu.
func (p *progress) wipe() {
	if p.shown > 0 {
		fmt.Fprint(p.stderr, "\r"+strings.Repeat(" ", p.shown)+"\r")
	}
	p.shown = 0
}

// end wipes the line.
func (p *progress) end() {
	close(p.stop)
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
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
