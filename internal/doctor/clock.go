package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// How far the clock may be off: AWS takes a signature for five minutes.
const (
	skewWorst = 5 * time.Minute
	skewBad   = 30 * time.Second
)

// clock compares this machine's clock with the Date of any answer.
func (m *machine) clock(ctx context.Context) finding {
	for _, s := range m.watched {
		who, _ := s.identity()
		if at, err := http.ParseTime(who.date); err == nil {
			return judgeClock(who.seen.Sub(at))
		}
	}
	return finding{Unknown, "can't tell: no answer of AWS has a Date", ""}
}

func judgeClock(ahead time.Duration) finding {
	off := ahead.Abs().Round(time.Second)
	f := finding{Warn, fmt.Sprintf("the clock is %s %s AWS's", off, map[bool]string{true: "ahead of", false: "behind"}[ahead > 0]), "timedatectl set-ntp true"}
	switch {
	case off > skewWorst:
		f.status, f.detail = Fail, f.detail+": AWS refuses what is signed more than 5 minutes off"
	case off <= skewBad:
		return fine("within %s of AWS's", max(off, time.Second))
	}
	return f
}
