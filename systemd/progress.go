package systemd

import (
	"slices"
	"sync"
	"time"
)

// Progress knows which loops of the daemon still turn. A process that answers
// nothing but still runs would be fed by a mere ticker; so each loop beats
// where it has truly done a round. The zero Progress is ready to use.
type Progress struct {
	mu    sync.Mutex
	loops map[string]loop
}

type loop struct {
	silence time.Duration // longer than this means stalled
	last    time.Time     // of the last beat; with its monotonic part, so that setting the clock stalls nobody
}

// Loop registers a loop and returns what it calls once a round, at least every
// maxSilence: longer than its longest honest wait (a long poll, a step and a
// backoff together). A name that is there already begins anew.
func (p *Progress) Loop(name string, maxSilence time.Duration) (beat func()) {
	p.register(name, maxSilence)
	return func() { p.Beat(name) }
}

// Task says that something is in hand that is not always: until done is called,
// it must be as lively as a loop.
func (p *Progress) Task(name string, maxSilence time.Duration) (done func()) {
	p.register(name, maxSilence)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.loops, name)
	}
}

// Beat says that a loop, or a task while it is in hand, has made progress.
func (p *Progress) Beat(name string) {
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
