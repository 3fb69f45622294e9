package simulate

import (
	"context"
	"errors"
	"net/http"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// mortal is the process of a daemon: it can die before or after each of its calls to AWS, to a sink or to the store
// (at an edge). From then on nothing that it does has an effect, and no call returns a result.
type mortal struct {
	edgesLeft int // edges until it dies; negative: it lives on
	dead      bool
	passed    int // edges so far
	cancel    context.CancelFunc
	tick      func() // time passes with each call
}

var errDead = errors.New("the process is dead")

// edge passes one edge, and reports whether the process lives on.
func (m *mortal) edge() bool {
	if m.dead {
		return false
	}
	m.passed++
	if m.edgesLeft == 0 {
		m.dead = true
		m.cancel()
		return false
	}
	if m.edgesLeft > 0 {
		m.edgesLeft--
	}
	return true
}

// around makes a call that has an effect, between two edges.
func (m *mortal) around(call func() error) error {
	if !m.edge() {
		return errDead
	}
	m.tick()
	err := call()
	if !m.edge() {
		return errDead
	}
	return err
}

// reading makes a call without an effect. It has no edges, because to die there is the same as to die at the next
// edge.
func (m *mortal) reading(call func() error) error {
	if m.dead {
		return errDead
	}
	return call()
}

// wire brings a daemon's requests to the fake AWS, with the faults of the play, and notes its creates.
type wire struct {
	*mortal
	d       *daemon
	through http.RoundTripper
}

// Do implements aws.HTTPClient.
func (w wire) Do(r *http.Request) (resp *http.Response, err error) {
	err = w.around(func() (err error) {
		w.d.p.faulty(w.d)
		defer w.d.p.faultless()
		asked, creates := createOf(r)
		if creates {
			w.d.checkTokenStored(asked)
		}
		resp, err = w.through.RoundTrip(r)
		if creates {
			code, made := answerOf(resp, err)
			w.d.noteAnswer(asked, code)
			w.d.noteMade(made)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// mortalStore is a daemon's store.
type mortalStore struct {
	*store.Store
	m *mortal
	d *daemon
}

func (s mortalStore) Next(ctx context.Context, name string, choice sink.Choice) (d sink.Delivery, ok bool, err error) {
	err = s.m.reading(func() (err error) { d, ok, err = s.Store.Next(ctx, name, choice); return err })
	return d, ok, err
}

func (s mortalStore) Sent(ctx context.Context, sink, id string, at time.Time) error {
	return s.m.around(func() error {
		err := s.Store.Sent(ctx, sink, id, at)
		s.d.sent[id] = s.d.sent[id] || err == nil
		return err
	})
}

func (s mortalStore) Failed(ctx context.Context, name, id string, f sink.Failure) error {
	return s.m.around(func() error { return s.Store.Failed(ctx, name, id, f) })
}

func (s mortalStore) Compare(ctx context.Context, l *inventory.Listing, page []inventory.Listed) (changed []int, err error) {
	err = s.m.reading(func() (err error) { changed, err = s.Store.Compare(ctx, l, page); return err })
	return changed, err
}

func (s mortalStore) Unseen(ctx context.Context, l *inventory.Listing, after string, limit int) (rows []inventory.Row, last string, err error) {
	err = s.m.reading(func() (err error) {
		rows, last, err = s.Store.Unseen(ctx, l, after, limit)
		return err
	})
	return rows, last, err
}

func (s mortalStore) LiveUnless(ctx context.Context, sc inventory.Scope, fine func(string) bool, after string, limit int) (rows []inventory.Row, err error) {
	err = s.m.reading(func() (err error) { rows, err = s.Store.LiveUnless(ctx, sc, fine, after, limit); return err })
	return rows, err
}

func (s mortalStore) Refreshed(ctx context.Context, sc inventory.Scope, started, ended time.Time) error {
	return s.m.around(func() error { return s.d.p.unanswered(s.Store.Refreshed(ctx, sc, started, ended)) })
}

var errUnanswered = errors.New("nobody knows whether the commit is on disk")

// unanswered makes an error of a successful commit, now and then in a storm: the transaction is on disk, and the
// daemon lives on and does not know that.
func (p *play) unanswered(err error) error {
	if err == nil && p.stormy && p.doubt != nil && p.doubt.IntN(25) == 0 {
		p.happened["commit not answered"]++
		return errUnanswered
	}
	return err
}

// partStore is a daemon's store as one of its parts sees it. After each commit it notes and checks what was
// written.
type partStore[T any] struct {
	mortalStore
	through interface {
		Update(ctx context.Context, fn func(T) error) error
		View(ctx context.Context, fn func(T) error) error
	}
	note func(tx T, w *writes) T // returns a tx that also notes in w what it writes
}

func (r partStore[T]) Update(ctx context.Context, fn func(T) error) error {
	return r.m.around(func() error {
		var w writes
		err := r.through.Update(ctx, func(tx T) error {
			w = writes{} // the transaction may run again
			return fn(r.note(tx, &w))
		})
		if err == nil {
			r.d.noteStored()
			r.d.p.checkCommittedAlerts(r.d, r.d.commits.add(w.alerts))
			r.d.p.checkClosed(r.d, w.incidents)
			r.d.p.checkFrozen(w.incidents)
			r.d.p.noteTokens(r.d, w.incidents)
		}
		return r.d.p.unanswered(err)
	})
}

func (r partStore[T]) View(ctx context.Context, fn func(T) error) error {
	return r.m.reading(func() error { return r.through.View(ctx, fn) })
}

// remediatorStore is the remediator's store. Tasks of Remediator.Background run after its commits.
type remediatorStore struct{ partStore[remediate.Tx] }

func (f remediatorStore) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	err := f.partStore.Update(ctx, fn)
	f.d.runLater()
	return err
}

// pager is a daemon's sink that people look at.
type pager struct {
	*mortal
	d *daemon
}

func (p pager) Send(_ context.Context, a alert.Alert) error {
	return p.around(func() error {
		p.d.p.checkTaken(p.d, a)
		p.d.tried[a.ID] = true
		if p.d.p.down {
			return errors.New("down")
		}
		p.d.p.noteAlert(p.d, a)
		p.d.p.checkRinging(p.d, a)
		return nil
	})
}
