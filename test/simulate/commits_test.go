package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// commits is what a daemon has brought to disk, over all its lives.
type commits struct {
	alerts []alert.Alert   // each alert once, in the order of the outbox
	has    map[string]bool // their IDs
	tried  map[string]bool // that the pager was given
	sent   map[string]bool // that the pager has taken

	answers    map[string][]string  // to its creates since its last start, the error codes by token; an empty code: success
	hidden     map[target]bool      // targets whose last create was answered NotFound by the trouble that hides resources
	ended      map[string]bool      // incidents, by flow log and opening time, that were seen closed
	received   map[string]bool      // true deletions, by event and flow log: whether the snapshot had the flow log
	receivedAt map[string][]receipt // the records of these deletions

	lastWritten map[string]incident.Incident // incidents as last written, by flow log
	knownSince  map[string]time.Time         // when the snapshot first had the flow log of an incident, by its ID
	tokens      map[string]bool              // tokens that are on disk, with which a create may be sent
	usedTokens  []usedToken                  // tokens of which an alert is due
	tokenEvents map[string]bool              // events of which a token was used for another call
	sharedUsed  map[string]time.Time         // when AWS said that the token of a shared call was used, by flow log
	couldTake   map[string]time.Time         // when a step first could have taken a random token

	couldAlert   map[string]time.Time // when a step first could have added an alert that is due
	mightStay    map[string]time.Time // when a step last found that a flow log is disputed, by ID
	ringingSince map[string]time.Time // when a pager incident last began that must stay open for a while, by its key
}

func newCommits() *commits {
	return &commits{has: map[string]bool{}, tried: map[string]bool{}, sent: map[string]bool{}, answers: map[string][]string{}, hidden: map[target]bool{}, ended: map[string]bool{}, received: map[string]bool{}, receivedAt: map[string][]receipt{}, couldAlert: map[string]time.Time{}, mightStay: map[string]time.Time{}, ringingSince: map[string]time.Time{},
		lastWritten: map[string]incident.Incident{}, knownSince: map[string]time.Time{}, tokens: map[string]bool{}, tokenEvents: map[string]bool{}, sharedUsed: map[string]time.Time{}, couldTake: map[string]time.Time{}}
}

// receipt is a record of a deletion as a daemon received it.
type receipt struct {
	at   time.Time // by the daemon's clock
	by   string    // who deleted, as the record says
	says time.Time // the time of the deletion, as the record says
}

// writes is what a transaction writes.
type writes struct {
	alerts    []alert.Alert
	incidents []incident.Incident
}

// Transactions that note what they write.
type (
	remediateTx struct {
		remediate.Tx
		*writes
	}
	newsTx struct {
		remediate.NewsTx
		*writes
	}
	rehearseTx struct {
		rehearse.Tx
		*writes
	}
	pipelineTx struct {
		rehearse.PipelineTx
		*writes
	}
	tamperTx struct {
		tamper.Tx
		*writes
	}
)

func (w remediateTx) SaveCase(c *incident.Case) error {
	_, incidents := c.Changes()
	w.incidents = append(w.incidents, incidents...)
	return w.Tx.SaveCase(c)
}

func (w remediateTx) AddAlert(a alert.Alert) error { return w.add(a, w.Tx) }
func (w tamperTx) AddAlert(a alert.Alert) error    { return w.add(a, w.Tx) }

func (w newsTx) AddAlerts(alerts []alert.Alert, note *notify.OutageNote) error {
	w.alerts = append(w.alerts, alerts...)
	return w.NewsTx.AddAlerts(alerts, note)
}

func (w rehearseTx) SaveRehearsals(s inventory.Scope, c rehearse.Changes) error {
	w.alerts = append(w.alerts, c.Alerts...)
	return w.Tx.SaveRehearsals(s, c)
}

func (w pipelineTx) SavePipelineHealth(s inventory.Scope, h rehearse.PipelineHealth, alerts []alert.Alert) error {
	w.alerts = append(w.alerts, alerts...)
	return w.PipelineTx.SavePipelineHealth(s, h, alerts)
}

func (w *writes) add(a alert.Alert, tx interface{ AddAlert(alert.Alert) error }) error {
	w.alerts = append(w.alerts, a)
	return tx.AddAlert(a)
}

// add notes alerts that are on disk, and returns those that are new.
func (c *commits) add(alerts []alert.Alert) (added []alert.Alert) {
	for _, a := range alerts {
		if !c.has[a.ID] {
			c.has[a.ID] = true
			added = append(added, a)
		}
	}
	c.alerts = append(c.alerts, added...)
	return added
}

// alertsNaming yields the alerts that name a flow log, or one of the lineage whose root it is, the latest first.
func (c *commits) alertsNaming(id string, yield func(alert.Alert) (more bool)) {
	for _, v := range slices.Backward(c.alerts) {
		for _, f := range v.FlowLogs {
			if f.FlowLogID == id || f.RootFlowLogID == id {
				if !yield(v) {
					return
				}
				break
			}
		}
	}
}

// follows reports whether an alert may have to wait for an earlier one with its key or campaign that the pager must
// take first.
func (c *commits) follows(a alert.Alert) bool {
	for _, b := range c.alerts {
		if b.ID == a.ID {
			return false
		}
		if !c.sent[b.ID] && (b.DedupKey == a.DedupKey && b.Resolves() || b.CampaignID == a.CampaignID && b.EndsCampaign()) {
			return true
		}
	}
	return false
}

// leads reports whether a later alert with the same key is more urgent and not endless. Then this alert has become
// as urgent, and stays so even if it failed and the later one was taken first.
func (c *commits) leads(a alert.Alert) bool {
	n := slices.IndexFunc(c.alerts, func(b alert.Alert) bool { return b.ID == a.ID })
	return slices.ContainsFunc(c.alerts[n+1:], func(b alert.Alert) bool {
		return b.DedupKey == a.DedupKey && b.Urgency() < a.Urgency() && !endless(b)
	})
}
