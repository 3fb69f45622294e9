package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Progress shows on a terminal how much of something is done: nothing for the first two
// seconds, then one line, renewed every two seconds. It is wiped before anything else
// is written, and at the end.
type Progress struct {
	o              *Output
	stdout, stderr io.Writer // the output's own
	what           string
	total          int           // 0: not known
	status         func() string // instead of the counts; nil: none
	start          time.Time

	mu      sync.Mutex // guards what follows, and the terminal
	timer   *time.Timer
	done    int
	line    string // on the terminal now
	midline bool   // the output's last line is not complete
}

const renewEvery = 2 * time.Second

// Progress starts a progress line; the caller must call End. total 0: not known.
func (o *Output) Progress(what string, total int) *Progress {
	p := &Progress{o: o, stdout: o.Stdout, stderr: o.Stderr, what: what, total: total, start: time.Now()}
	if !o.StderrTerminal {
		return p
	}
	o.Stderr = wipingWriter{p, o.Stderr}
	if o.Terminal {
		o.Stdout = wipingWriter{p, o.Stdout}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(renewEvery, p.renew)
	return p
}

// ProgressOf starts a progress line that shows a status instead of counts. The function status is
// called now and then, on another goroutine, and its text must be clean.
func (o *Output) ProgressOf(what string, status func() string) *Progress {
	p := o.Progress(what, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
	return p
}

// Step counts one thing as done. It may be called concurrently.
func (p *Progress) Step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

func (p *Progress) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return // it has ended
	}
	p.timer.Reset(renewEvery)
	if p.midline {
		return
	}
	p.wipe()
	p.line = p.what
	if p.status != nil {
		p.line += ": " + p.status()
	} else if p.total > 0 {
		p.line += fmt.Sprintf(": %d of %d", p.done, p.total)
	} else if p.done > 0 {
		p.line += fmt.Sprintf(": %d", p.done)
	}
	p.line += fmt.Sprintf(", %d s", time.Since(p.start)/time.Second)
	fmt.Fprint(p.stderr, p.line)
}

// wipe works on every terminal: it uses no escape sequences. The caller holds mu.
func (p *Progress) wipe() {
	if p.line != "" {
		fmt.Fprint(p.stderr, "\r"+strings.Repeat(" ", len(p.line))+"\r")
		p.line = ""
	}
}

// End wipes the line and ends the progress.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.wipe()
	p.o.Stdout, p.o.Stderr = p.stdout, p.stderr
}

// wipingWriter wipes the line before each write.
type wipingWriter struct {
	p *Progress
	w io.Writer
}

func (w wipingWriter) Write(text []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.wipe()
	if len(text) > 0 {
		w.p.midline = text[len(text)-1] != '\n'
	}
	return w.w.Write(text)
}
