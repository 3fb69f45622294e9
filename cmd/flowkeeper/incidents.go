package main

import "github.com/spf13/cobra"

func newIncidentsCommand(a *app) *cobra.Command {
	c := newGroup("incidents", "What happened, who did it, and how long nothing was recorded",
		newIncidentsListCommand(a),
		newIncidentsShowCommand(a),
	)
	c.Long = `An incident is what Flowkeeper does about one flow log that was deleted. Its ID
is that flow log's. Its states:

  open      deleted, or said to be, and not recreated yet
  restored  recreated, or an equivalent one was found; it is not known yet
            whether that delivers
  verified  the replacement is active, and no failure of its delivery is known
  blocked   a person must act: ` + "`incidents show`" + ` says what to do
  closed    ended without a restore; the reason follows the state`
	c.Example = `  flowkeeper incidents list --state open,blocked
  flowkeeper incidents show fl-0123456789abcdef0`
	c.SuggestFor = []string{"events", "history", "deletions"}
	return c
}
