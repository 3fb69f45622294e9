package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// machine is this machine: its configuration, clock and state file, and the daemon on it.
type machine struct {
	conf     configs.Config
	sinks    sink.Routes
	now      func() time.Time
	state    func() (stateFacts, error)
	watched  []*subject // what the configuration names
	accounts int        // that it names; 0: that of the credentials is watched
}

func (*machine) at() inventory.Scope { return inventory.Scope{} }
func (*machine) unusable() string    { return "" }

// configuration reports the warnings of the configuration, which the caller has read.
func (d *Doctor) configuration() (out []Result) {
	c := checks()[0].Check
	for _, w := range d.Warnings {
		out = append(out, finding{Warn, w.String(), ""}.at(c, inventory.Scope{}))
	}
	if len(out) == 0 {
		out = append(out, fine("%s", cmp.Or(d.File, "the environment")).at(c, inventory.Scope{}))
	}
	return out
}

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
