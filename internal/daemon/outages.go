package daemon

import (
	"cmp"
	"context"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// stateFile is the state file as a part of the pipeline. Its outages have no end that is
// alerted.
const stateFile notify.Part = "state"

// Parts of the pipeline that an organisation has.
const (
	listing         notify.Part = "organization" // the accounts can be listed
	departed        notify.Part = "departed"     // an account is protected; further words make it another part of the same kind
	reachingAccount notify.Part = "account"      // the credentials of an account work; likewise
	listingRegions  notify.Part = "regions"      // the enabled Regions of an account can be asked for
)

// graded is an outage whose alert is high if it is urgent, else medium. Its
// methods are called by one goroutine at a time.
type graded struct{ high, medium *pipelineOutage }

func newGraded(d *Daemon, s inventory.Scope, p notify.Part, recovery string) graded {
	g := graded{d.newOutage(s, p, recovery), d.newOutage(s, p+" medium", recovery)}
	g.medium.level = alert.Medium
	return g
}

func (g graded) alerted() bool { return g.high.alerted || g.medium.alerted }

// alertOnce adds the alert, unless this daemon or one before it has.
func (g graded) alertOnce(ctx context.Context, urgent bool, text string) {
	switch {
	case g.alerted() || g.high.wasAlerted(ctx) || g.medium.wasAlerted(ctx):
	case urgent:
		g.high.alert(ctx, text)
	default:
		g.medium.alert(ctx, text)
	}
}

func (g graded) end(ctx context.Context) {
	g.high.end(ctx)
	g.medium.end(ctx)
}

// ended reports whether no end is left to be alerted of.
func (g graded) ended() bool { return g.high.endStored && g.medium.endStored }

// before returns the level of the gravest alert that there was about this outage; empty: none.
func (g graded) before(ctx context.Context) alert.Level {
	switch {
	case g.high.wasAlerted(ctx):
		return alert.High
	case g.medium.wasAlerted(ctx):
		return alert.Medium
	}
	return ""
}

// pipelineOutage is an outage of a part of the pipeline. One alert reports it, and one its
// end; the state file remembers the first, so that the next daemon can send the second.
// Note and Failures are safe for concurrent use; alert and end are called by one
// goroutine at a time.
type pipelineOutage struct {
	outage.Outage
	d        *Daemon
	scope    inventory.Scope
	part     notify.Part
	level    alert.Level // of the alert about it
	recovery string      // the text of the alert about its end; empty: there is none

	alerted    bool // there was an alert about this outage
	endPending bool // the alert about the end of an earlier outage could not be stored
	endStored  bool // no end is left to be alerted of; false at the start: the daemon before may have alerted
}

func (d *Daemon) newOutage(s inventory.Scope, p notify.Part, recovery string) *pipelineOutage {
	return &pipelineOutage{d: d, scope: s, part: p, level: alert.High, recovery: recovery}
}

// alert adds the alert about the outage to the outbox, unless there was one, and remembers
// it in the same commit. If that fails, it sends the alert directly.
func (o *pipelineOutage) alert(ctx context.Context, text string) {
	if !o.alerted {
		o.alertIn(ctx, o.scope.Region, text)
	}
}

// alertIn alerts even if there was an alert already, because the outage affects more now. region is set
// if exactly one Region of an account is affected.
func (o *pipelineOutage) alertIn(ctx context.Context, region, text string) {
	o.alerted, o.endStored = true, false
	a := outageAlert(o.scope, o.part, o.level, text)
	a.Region = region
	a.Write()
	if err := o.store(ctx, a); err != nil {
		o.d.bypassOutbox(ctx, a)
	}
}

// wasAlerted reports whether there was an alert about this outage, by this daemon or by one
// before it.
func (o *pipelineOutage) wasAlerted(ctx context.Context) bool {
	if !o.alerted && !o.endStored {
		var before bool
		err := o.d.store.View(ctx, func(tx *store.Tx) (err error) { before, err = tx.OutageAlerted(o.scope, o.part); return err })
		o.alerted = err == nil && before
	}
	return o.alerted
}

// end notes that the part works, and adds the alert about the end of the outage to the outbox, if there was one about
// the outage. It is called each time the part works, so that an alert that could not be stored is added later. The
// alert is never sent directly, because it can wait.
func (o *pipelineOutage) end(ctx context.Context) {
	o.Note(nil)
	if o.endStored {
		return
	}
	o.endPending, o.alerted = o.endPending || o.alerted, false // the next outage is alerted, whether or not this end can be stored
	alerted := false
	err := o.d.store.View(ctx, func(tx *store.Tx) (err error) { alerted, err = tx.OutageAlerted(o.scope, o.part); return err })
	if err == nil && (alerted || o.endPending) {
		err = o.store(ctx, o.endAlert())
	}
	if err == nil {
		o.endPending, o.endStored = false, true
	}
}

// endAs is like end, and says in which words.
func (o *pipelineOutage) endAs(ctx context.Context, recovery string) {
	o.recovery = recovery
	o.end(ctx)
}

// endAlert goes to the sinks that the alert about the outage went to.
func (o *pipelineOutage) endAlert() alert.Alert {
	a := outageAlert(o.scope, o.part, alert.Informational, o.recovery)
	a.RouteLevel = o.level
	return a
}

// store adds an alert to the outbox, and notes in the state file whether the end of the
// outage is still to be alerted of, if that is to be alerted.
func (o *pipelineOutage) store(ctx context.Context, a alert.Alert) error {
	err := o.d.store.Update(ctx, func(tx *store.Tx) error {
		if o.recovery != "" {
			if err := tx.SetOutageAlerted(o.scope, o.part, !a.Resolves()); err != nil {
				return err
			}
		}
		return tx.AddAlert(a)
	})
	if err == nil {
		o.d.wakeSenders()
	}
	return err
}

func outageAlert(s inventory.Scope, p notify.Part, level alert.Level, text string) alert.Alert {
	now := time.Now()
	a := alert.Alert{
		ID: alert.ID("pipeline", s.String(), string(p), text, now.Format(time.RFC3339)), DedupKey: notify.OutageKey(s, p),
		Time: alert.Time{Time: now}, Kind: alert.Pipeline, Level: level, RouteLevel: level, Account: s.Account, Region: s.Region, Cause: text,
	}
	if !a.Resolves() {
		whole := strings.TrimSuffix(string(p), " medium")
		kind, _, _ := strings.Cut(whole, " ")
		a.Advice = cmp.Or(outageAdvice[notify.Part(whole)], outageAdvice[notify.Part(kind)])
	}
	a.Write()
	return a
}

// outageAdvice says what to do when a part fails, by the whole of it, or by its first word.
var outageAdvice = map[notify.Part]string{
	notify.Receiving:                              "make the queue again, or give access back: no restart is needed. `flowkeeper doctor` says what is missing; see who did it (docs/troubleshoot.md#queue-lost)",
	notify.Refreshing:                             "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#refresh-fails)",
	partOf(notify.Refreshing, scopes.Denied):      "allow ec2:DescribeFlowLogs to Flowkeeper's role there, and see who took it away. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",
	partOf(notify.Refreshing, scopes.DeniedBySCP): "a service control policy denies ec2:DescribeFlowLogs: exempt Flowkeeper's role in that policy. If the Region is denied on purpose, remove it from inventory.regions or from the account's regions. Other Regions of the account that are refused for the same reason cause no other alert within two rounds of the schedule: `flowkeeper doctor` lists all (docs/troubleshoot.md#refresh-fails)",

	notify.Reaching:        "see network, DNS, proxy and credentials of the daemon's machine: `flowkeeper doctor` there tells which (docs/troubleshoot.md#aws-unreachable)",
	listing:                "run `flowkeeper doctor`: it says what is refused. Until it works, accounts that join the organisation are not protected (docs/troubleshoot.md#accounts-unlisted)",
	reachingAccount:        "see that the role is there, that its trust policy names Flowkeeper's credentials and the external ID, and that no service control policy denies it: `flowkeeper doctor` says which (docs/troubleshoot.md#account-refused)",
	listingRegions:         "allow ec2:DescribeRegions to Flowkeeper's role in the account, and see that no service control policy denies it; or name the Regions: inventory.regions, or the account's regions. `flowkeeper doctor` says what is refused (docs/troubleshoot.md#regions-unknown)",
	departed:               "where nobody of yours did it, see who called RemoveAccountFromOrganization, LeaveOrganization, MoveAccount or CloseAccount, and take it back: Flowkeeper goes on by itself then. Where it was meant, resolve this alert (docs/troubleshoot.md#account-departed)",
	notify.Copying:         "see that the bucket is there and takes it: `flowkeeper doctor` (docs/troubleshoot.md#copy-fails)",
	notify.ReadingLogFiles: "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#log-files-unread)",
	stateFile:              "run `flowkeeper doctor` on the daemon's machine; where nobody of yours did it, find out who (docs/troubleshoot.md#state-file-taken)",
}
