package scopes

import (
	"time"

	"flowkeeper/internal/retry"
)

// futileness is how often in a row AWS refused a client's credentials although
// they had just been loaded, and when that was last.
type futileness struct {
	times int
	last  time.Time
}

// Between two loads of one source lies reloadPause at least. For a client whose
// new credentials are refused as well it doubles (futilePauses): a Region that is
// not enabled refuses everybody.
const (
	reloadPause = 5 * time.Second
	maxFutile   = 1024 // clients remembered
)

var futilePauses = retry.Backoff{First: reloadPause, Most: time.Minute}

// accepted notes that AWS took a client's credentials.
func (s *source) accepted(client string, err error) {
	if err != nil {
		return // who is throttled, or not reached, was not accepted for that
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.futile, client)
}

// isFutile notes that AWS refuses a client's credentials though they are new.
func (s *source) isFutile(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.futile) >= maxFutile {
		clear(s.futile)
	}
	s.futile[client] = futileness{s.futile[client].times + 1, s.now()}
}

// mayLoad reports whether enough time has passed to load again for a client, and
// takes the turn if so.
func (s *source) mayLoad(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	within := func(at time.Time, pause time.Duration) bool {
		age := now.Sub(at)
		return !at.IsZero() && age >= 0 && age < pause
	}
	f := s.futile[client]
	if within(s.latest, reloadPause) || within(f.last, futilePauses.Pause(f.times)) {
		return false
	}
	s.latest = now
	return true
}

// wasFutile notes a load that brought nothing new, and reports whether it is the
// client's first.
func (s *source) wasFutile(client string) (first bool) {
	s.mu.Lock()
	first = s.futile[client].times == 0
	s.mu.Unlock()
	s.isFutile(client)
	return first
}
