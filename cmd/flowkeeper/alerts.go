package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
)

func newAlertsCommand(a *app) *cobra.Command {
	return newGroup("alerts", "What people were told, and whether it reached them",
		newAlertsListCommand(a),
		newAlertsTestCommand(a),
		newAlertsRetryCommand(a),
	)
}

func newAlertsListCommand(a *app) *cobra.Command {
	var asJSON, failed bool
	c := &cobra.Command{
		Use: "list", Short: "List the alerts with the state of each delivery, the oldest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.listAlerts(c.Context(), s, failed, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&failed, "failed", false, "only deliveries that failed and are not through yet")
	jsonFlag(c, &asJSON, "one JSON object a line: the alert, with its deliveries")
	return c
}

func (a *app) listAlerts(ctx context.Context, s *store.Store, failed, asJSON bool) error {
	n := 0
	err := a.print(func(w io.Writer) error {
		if asJSON {
			return alertsJSON(ctx, s, failed, w)
		}
		t := a.table(w, "ALERT", "TIME", "LEVEL", "SINK", "DELIVERY", "TITLE")
		err := s.Deliveries(ctx, failed, func(d alert.Delivery) error {
			n++
			return t.add(plain(d.Alert.ID), plain(a.ago(d.Alert.Time.Time)), levelCell(d.Alert.Level), plain(d.Sink), a.deliveryCell(d), plain(d.Alert.Title))
		})
		if err != nil {
			return err
		}
		return t.flush()
	})
	if err == nil && n == 0 && !asJSON {
		if failed {
			fmt.Fprintln(a.stderr, "every sink has taken every alert so far")
		} else {
			fmt.Fprintln(a.stderr, "nobody was told anything yet")
		}
	}
	return err
}

// alertsJSON prints each alert once: the deliveries of one come together.
func alertsJSON(ctx context.Context, s *store.Store, failed bool, w io.Writer) error {
	var last alertJSON
	put := func() error {
		if len(last.Deliveries) == 0 {
			return nil
		}
		return writeJSON(w, last)
	}
	err := s.Deliveries(ctx, failed, func(d alert.Delivery) error {
		if d.Alert.ID != last.ID {
			if err := put(); err != nil {
				return err
			}
			last = alertJSON{Alert: d.Alert}
		}
		last.Deliveries = append(last.Deliveries, toDeliveryJSON(d))
		return nil
	})
	if err != nil {
		return err
	}
	return put()
}

func levelCell(l alert.Level) cell {
	switch {
	case l.AtLeast(alert.High):
		return cell{string(l), red}
	case l.AtLeast(alert.Medium):
		return cell{string(l), yellow}
	}
	return plain(string(l))
}

func (a *app) deliveryCell(d alert.Delivery) cell {
	switch deliveryState(d) {
	case "sent":
		return cell{"sent " + a.ago(d.SentAt), green}
	case "given_up":
		return cell{fmt.Sprintf("given up after %s: %s", plural(d.Attempts, "try"), d.Error), red}
	}
	if d.Attempts == 0 {
		return cell{"waiting", yellow}
	}
	next := "due again"
	if d.NextAt.After(a.now()) {
		next = "again " + a.ago(d.NextAt)
	}
	return cell{fmt.Sprintf("failed %s, %s: %s", times(d.Attempts), next, d.Error), yellow}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func newAlertsRetryCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "retry ID", Short: "Have the daemon try an alert's failed deliveries again at once, given-up ones too", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.retryAlert(c.Context(), s, args[0], asJSON)
			})
		},
	}
	jsonFlag(c, &asJSON, "one JSON object")
	return c
}

func (a *app) retryAlert(ctx context.Context, s *store.Store, id string, asJSON bool) error {
	n, err := s.Retry(ctx, id)
	if err != nil {
		return err
	}
	if n == 0 {
		known, err := hasAlert(ctx, s, id)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("there is no alert %q: see `flowkeeper alerts list`", id)
		}
	}
	return a.print(func(w io.Writer) error {
		if asJSON {
			return writeJSON(w, struct {
				ID    string `json:"id"`
				Retry int64  `json:"retried"`
			}{id, n})
		}
		text := "every sink has it already"
		if n > 0 {
			text = fmt.Sprintf("%s due now: a running daemon sends them within a second", plural(int(n), "delivery"))
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}

var errFound = errors.New("found")

func hasAlert(ctx context.Context, s *store.Store, id string) (bool, error) {
	err := s.Deliveries(ctx, false, func(d alert.Delivery) error {
		if d.Alert.ID == id {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}
