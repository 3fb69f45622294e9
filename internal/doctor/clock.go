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
	off, where, refused := ahead.Abs().Round(time.Second), "behind", ""
	if ahead > 0 {
		where = "ahead of"
	}
	if off > skewWorst {
		refused = ": AWS refuses what is signed more than 5 minutes off"
	}
	if off <= skewBad {
		return fine("within %s of AWS's", max(off, time.Second))
	}
	return finding{failIf(off > skewWorst), fmt.Sprintf("the clock is %s %s AWS's%s", off, where, refused), "timedatectl set-ntp true"}
}
