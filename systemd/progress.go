package systemd

import (
	"slices"
	"sync"
	"time"
)

// Progress knows which loops of the daemon still make progress. A ticker would feed the
// watchdog of a process that runs but does no work; so each loop calls keepAlive where it has
// really done a round. The zero Progress is ready to use.
type Progress struct {
	mu    sync.Mutex // guards what follows
	loops map[string]loop
}

type loop struct {
	silence time.Duration // longer than this means stalled
	last    time.Time     // of the last sign of life, with its monotonic part: if somebody sets the clock, no loop looks stalled
}

// Loop registers a loop and returns the function that the loop calls once a round, at least every
// maxSilence. maxSilence must be longer than the longest intended wait (a long poll, a step and a
// backoff together). A name that is registered already begins anew.
func (p *Progress) Loop(name string, maxSilence time.Duration) (keepAlive func()) {
	p.register(name, maxSilence)
	return func() { p.KeepAlive(name) }
}

// Task registers work that is not always under way: until done is called, it must make
// progress like a loop.
func (p *Progress) Task(name string, maxSilence time.Duration) (done func()) {
	p.register(name, maxSilence)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.loops, name)
	}
}

// KeepAlive notes that a loop, or a task that is under way, has made progress.
func (p *Progress) KeepAlive(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l, ok := p.loops[name]; ok {
		p.loops[name] = loop{l.silence, time.Now()}
	}
}

func (p *Progress) register(name string, maxSilence time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loops == nil {
		p.loops = map[string]loop{}
	}
	p.loops[name] = loop{maxSilence, time.Now()}
}

// Stalled returns the names, sorted, of the loops and tasks that have not made progress
// in time.
func (p *Progress) Stalled(now time.Time) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, l := range p.loops {
		if now.Sub(l.last) > l.silence {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
