package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/internal/detection"
)

// Way is what rehearsals tell of the way of events: their own CloudTrail
// records travel as those of deletions do.
type Way struct {
	Instance        string    // names this state file in the tokens
	Unanswered      int       // rehearsals since one last came back
	UnansweredSince time.Time // the first of these
	BackAt          time.Time // when one last came back; zero: never
	OthersAt        time.Time // when one of another daemon on the queue did
	By              string    // who made the last rehearsal, see callerOf; empty: not known yet
	Told            bool      // that they do not come back any more
}

const (
	wayPatience  = 30 * time.Minute // CloudTrail delivers within fifteen minutes, as a rule
	sharedMisses = 6                // rehearsals unheard, where other daemons take their part of the queue
	othersFor    = 24 * time.Hour   // how long another daemon counts after it was heard of
)

// token of the call n of a rehearsal: it says to whoever reads CloudTrail what
// the call is, and no create ever has it.
func (w Way) token(started time.Time, n int) string {
	return fmt.Sprintf("%s%s-%d-%d", detection.RehearsalToken, w.Instance, started.Unix(), n)
}

// madeBy notes who makes the rehearsals; empty: whoever made the last one.
func (w Way) madeBy(caller string) Way {
	if caller != "" && caller != w.By {
		w.By, w.Unanswered = caller, 0 // what another made does not come back as ours
	}
	return w
}

// sent notes that the calls of a rehearsal that began at a time are made, unless one
// has come back since.
func (w Way) sent(at, now time.Time) Way {
	if w.BackAt.After(at) && !w.BackAt.After(now) {
		return w
	}
	if w.Unanswered == 0 || w.UnansweredSince.After(at) { // later: the clock has gone back
		w.UnansweredSince = at
	}
	w.Unanswered++
	return w
}

// returned notes that a rehearsal with this token has come back.
func (w Way) returned(token string, now time.Time) Way {
	instance, _, _ := strings.Cut(strings.TrimPrefix(token, detection.RehearsalToken), "-")
	if instance != w.Instance {
		w.OthersAt = now
	}
	w.BackAt, w.Unanswered, w.Told = now, 0, false
	return w
}

// silent reports whether the way of events seems to be cut: it has worked
// before, and rehearsals do not come back any more. Of none is that known before
// it is known who makes them.
func (w Way) silent(now time.Time) bool {
	if w.By == "" || w.BackAt.IsZero() || w.Unanswered == 0 || now.Sub(w.UnansweredSince) < wayPatience {
		return false
	}
	shared := !w.OthersAt.IsZero() && now.Sub(w.OthersAt) < othersFor
	return !shared || w.Unanswered >= sharedMisses
}

// isOurs reports whether a rehearsal with this identity in its record was made
// by a Flowkeeper: by this one's own principal, or by one that the configuration
// names. Any principal can make a dry run and put a rehearsal's token into it.
func (w Way) isOurs(identity string, others []string) bool {
	who := callerOf(identity)
	return who != "" && (who == w.By || slices.ContainsFunc(others, func(arn string) bool { return callerOf(arn) == who }))
}
