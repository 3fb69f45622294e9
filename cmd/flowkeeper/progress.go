package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// progress tells people on a terminal that something takes its time: nothing
// for the first two seconds, then one line that is renewed and wiped.
type progress struct {
	done atomic.Int64
	stop chan struct{}
	wg   sync.WaitGroup
}

const patience = 2 * time.Second

func (a *app) progress(what string, total int) *progress {
	p := &progress{stop: make(chan struct{})}
	if a.stderrTerminal {
		p.wg.Go(func() { p.show(a.stderr, what, total) })
	}
	return p
}

func (p *progress) step() { p.done.Add(1) }

func (p *progress) show(w io.Writer, what string, total int) {
	begun := time.Now()
	tick := time.NewTicker(patience)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
			shown = true
			fmt.Fprintf(w, "\r%s: %d of %d, %d s ", what, p.done.Load(), total, time.Since(begun)/time.Second)
		case <-p.stop:
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
			return
		}
	}
}

// end wipes the line.
func (p *progress) end() {
	close(p.stop)
	p.wg.Wait()
}
