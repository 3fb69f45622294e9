package doctor

import (
	"cmp"
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
