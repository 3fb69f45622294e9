package main

import "github.com/spf13/cobra"

func newInventoryCommand(a *app) *cobra.Command {
	c := newGroup("inventory", "The snapshot: all flow logs that AWS ever listed",
		newInventoryListCommand(a),
		newInventoryShowCommand(a),
		newRefreshCommand(a),
		newReleaseCommand(a),
		newApproveCommand(a),
		newExportCommand(a),
		newImportCommand(a),
	)
	c.Long = `The snapshot holds all flow logs that AWS ever listed, with everything that is
needed to recreate them. A deleted one stays in it until its incident has ended
and inventory.retention has passed.`
	c.Example = `  flowkeeper inventory list --state gone
  flowkeeper inventory show fl-0123456789abcdef0
  flowkeeper inventory release fl-0123456789abcdef0 --for 1h`
	c.SuggestFor = []string{"snapshot", "flow-logs", "flowlogs", "ls", "refresh", "release", "approve", "export", "import"}
	return c
}
