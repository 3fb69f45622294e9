package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/repeat"
)

// Adoption is how a copy becomes the state file.
type Adoption struct {
	Now   time.Time
	Made  time.Time     // when the copy was written, as S3 says
	Stale time.Duration // how old the copy and a scope's last refresh in it may be: see incident.StaleFromCopy
	// Routes is that of Options.
	Routes Routes
	// Announcer writes the alert about the adoption, which is in the state file from the
	// start; nil: there is none.
	Announcer Announcer
}

// Announcer writes the alert about an adoption.
type Announcer interface {
	Adopted(found Adopted) alert.Alert
}

// Adopted is what a copy contains, and what of it does not count any more. An attacker with
// write access to the bucket may have written all of it.
type Adopted struct {
	FlowLogs    int // that it protects
	Scopes      int
	RefreshedAt time.Time // the newest complete refresh in it; zero: none
	Stale       bool      // a scope is stale: see incident.StaleFromCopy
	Released    Released  // releases that it had, and that have ended with the adoption
	Unprotected int       // live flow logs that it did not protect: the next refresh decides anew
	Final       int       // incidents that no record of a later deletion would have opened again: they are closed as still there, or dropped
	Alerts      int       // undelivered alerts beyond the newest mostAdopted: dropped
}

// mostAdopted is how many undelivered alerts, and how many bursts, an adopted copy keeps: more would
// delay later ones.
const mostAdopted = 1000

// Adopt makes a copy the state file, where there is none yet. It is checked and brought to
// today's schema first. What it says of flow logs that were there, or are to come back,
// counts; what weakens protection does not. With an adopted copy, a daemon applies every
// record that it would apply with a new state file.
func Adopt(ctx context.Context, copied, path string, a Adoption) (found Adopted, err error) {
	lock, err := lockFile(path + ".lock") // no daemon may run whose file was just deleted: it would find another in its place
	if err != nil {
		return found, err
	}
	defer lock.Close()
	if found, err = examine(ctx, copied, a); err != nil {
		return found, err
	}
	return found, install(copied, path)
}

// examine takes out of a copy what does not count any more.
func examine(ctx context.Context, copied string, a Adoption) (found Adopted, err error) {
	if err := oursAlone(ctx, copied); err != nil {
		return found, err
	}
	s, err := Open(ctx, copied, Options{Daemon: true, Routes: a.Routes, Now: func() time.Time { return a.Now }})
	if err != nil {
		return found, err
	}
	err = s.Update(ctx, func(t *Tx) error {
		this := adoption{Tx: t, Adoption: a}
		err := this.run()
		found = this.found
		return err
	})
	return found, errors.Join(err, s.Close(), os.RemoveAll(copied+".lock"))
}

// install puts a copy in the place of the state file.
func install(copied, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there by now: start again", path)
	}
	if err := discardBeside(path); err != nil {
		return err
	}
	if err := os.Rename(copied, path); err != nil {
		return fmt.Errorf("put the copy in the place of the state file: %w", err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close(), Discard(copied))
}

// adoption is the transaction that makes a copy ready to be the state file. It decodes and
// encodes each row as the daemon does: SQL functions may read a forged JSON text in another
// way than the daemon. What counts is a rule of the package that owns the values: functions and
// methods named FromCopy, or with that ending. This package only has rules about whole tables,
// about columns, and about how many rows count.
type adoption struct {
	*Tx
	Adoption
	found Adopted
}

// run takes out of a copy what does not count, and adds the alert of it.
func (a *adoption) run() error {
	for _, step := range []func() error{a.reindex, a.emptyTables, a.dropForged, a.dropOtherTypes, a.dropUnreadable, a.takeRows, a.dropStrays, a.takePipelines, a.takeAccounts, a.forgetFacts, a.endBursts, a.resetColumns, a.resetTimes, a.takeScopes, a.dropDeliveries, a.writeAlerts} {
		if err := step(); err != nil {
			return err
		}
	}
	if a.Announcer == nil {
		return nil
	}
	return a.AddAlert(a.Announcer.Adopted(a.found))
}

// reindex writes all indexes anew: those of a forged file may have other rows than its tables.
func (a *adoption) reindex() error { return a.exec(`REINDEX`) }

// emptyTables empties the tables of which nothing counts.
func (a *adoption) emptyTables() error {
	return a.execEach([]string{
		`DELETE FROM approved`,   // a person approves anew
		`DELETE FROM rehearsals`, // the next dry runs show it again
		`DELETE FROM name_tags`,  // the next refresh asks AWS
		`DELETE FROM deeds`,      // alerts begin to count calls anew
		`DELETE FROM depends`,    // takeRows writes it again
		`DELETE FROM targets`,    // takeRows writes them again
	})
}

// forgetFacts forgets which outages were alerted of, which names are known, and what the daemon noted that
// somebody could misuse (see PartitionFact).
func (a *adoption) forgetFacts() error {
	return a.exec(`DELETE FROM facts WHERE name LIKE '`+outageFacts+`%' OR substr(name, 1, length(?1)) = ?1 OR name IN (?2, ?3)`, factNamesOf, PartitionFact, DepartedTogetherFact)
}

// dropForged deletes rows with numbers that no daemon writes. The paged reading of a copy would skip those below 1, so
// that they would count unchecked. After the greatest possible one, SQLite would give new rows any number: the outbox
// would have no order.
func (a *adoption) dropForged() error {
	return a.execEach([]string{
		`DELETE FROM flow_logs WHERE num NOT BETWEEN 1 AND ?1`,
		`DELETE FROM history WHERE num NOT BETWEEN 1 AND ?1`,
		`DELETE FROM events WHERE rowid NOT BETWEEN 1 AND ?1`,
		`DELETE FROM deliveries WHERE alert NOT BETWEEN 1 AND ?1`,
		`DELETE FROM alerts WHERE num NOT BETWEEN 1 AND ?1`,
	}, int64(1)<<53)
}

// dropOtherTypes deletes rows with a value of another type than that of its column. SQLite keeps such values; they
// equal no text and no number, so that the daemon would select the row, and could not change it.
func (a *adoption) dropOtherTypes() error {
	type column struct{ table, name, typ string }
	columns, err := allRows(a, func(c *column) []any { return []any{&c.table, &c.name, &c.typ} },
		`SELECT t.name, c.name, lower(c.type) FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	for _, c := range columns {
		err = errors.Join(err, a.exec(fmt.Sprintf(`DELETE FROM %s WHERE typeof(%s) NOT IN ('null', '%s')`, c.table, c.name, c.typ)))
	}
	return err
}

func (a *adoption) takeRows() error {
	scopes := map[inventory.Scope]bool{}
	for after := int64(0); ; {
		rows, err := a.after(after)
		if err != nil || len(rows) == 0 {
			a.found.Scopes = len(scopes)
			return err
		}
		for _, x := range rows {
			scopes[x.row.Scope], after = true, x.num
			if err := a.takeRow(x.row); err != nil {
				return err
			}
		}
	}
}

// takeRow writes a row, and the incident of its flow log.
func (a *adoption) takeRow(r inventory.Row) error {
	a.count(r)
	if err := a.PutFlowLog(incident.RowFromCopy(r)); err != nil {
		return err
	}
	i, ok, err := a.Incident(r.Scope, r.ID)
	if err != nil || !ok {
		return err
	}
	i.Scope, i.FlowLogID = r.Scope, r.ID
	i, fate := incident.FromCopy(i, r, a.Now)
	switch fate {
	case incident.KeptAsIs:
	case incident.NotKept:
		return a.drop(r.Scope, r.ID)
	case incident.KeptClosed:
		a.found.Final++
	case incident.KeptDue:
		e, ok, err := a.Event(i.Scope, i.EventID)
		if err != nil {
			return err
		}
		if err := a.PutEvent(incident.EventFromCopy(i, e, ok, a.Now)); err != nil {
			return err
		}
	}
	if r.State == inventory.Live && fate != incident.KeptDue { // or a line of its history could say that the next record was applied
		if err := a.dropHistory(r.Scope, r.ID); err != nil {
			return err
		}
	}
	return a.PutIncident(i)
}

// count notes what a row of the copy says.
func (a *adoption) count(r inventory.Row) {
	if r.State != inventory.Live {
		return
	}
	if r.ReleasedUntil.After(a.Now) {
		a.found.Released.FlowLogs++
		a.found.Released.Until = incident.Later(a.found.Released.Until, r.ReleasedUntil)
	}
	switch {
	case r.Protected:
		a.found.FlowLogs++
	case !r.Excluded:
		a.found.Unprotected++
	}
}

// dropStrays drops the incidents of flow logs that the copy has no row of. Those that stay are written anew, so
// that their columns and their bodies say the same.
func (a *adoption) dropStrays() error {
	type stray struct {
		incident.Incident
		scope inventory.Scope
		id    string
	}
	strays, err := allRows(a, func(x *stray) []any { return []any{asJSON{&x.Incident}, &x.scope.Account, &x.scope.Region, &x.id} },
		`SELECT body, account, region, id FROM incidents i WHERE NOT EXISTS
		(SELECT 1 FROM flow_logs f WHERE f.account = i.account AND f.region = i.region AND f.id = i.id)`)
	for n := 0; n < len(strays) && err == nil; n++ {
		x := strays[n]
		x.Scope, x.FlowLogID, x.RootID = x.scope, x.id, x.id // it is unknown, so no restore of it counts for a lineage
		if incident.StaysWithoutRow(x.Incident) {
			err = a.PutIncident(x.Incident)
			continue
		}
		a.found.Final++
		err = a.drop(x.scope, x.id)
	}
	return err
}

// dropUnreadable drops lines of history and events that the daemon could not read: because of one, it could not record
// the deletion with the same ID, and each step of a restorer would fail.
func (a *adoption) dropUnreadable() error {
	if err := a.exec(`DELETE FROM history WHERE NOT json_valid(body)`); err != nil {
		return err
	}
	type stored struct {
		num  int64
		body any
	}
	for after := int64(0); ; {
		part, err := allRows(a, func(x *stored) []any { return []any{&x.num, &x.body} }, `SELECT rowid, body FROM events WHERE rowid > ? ORDER BY rowid LIMIT ?`, after, page)
		if err != nil || len(part) == 0 {
			return err
		}
		for _, x := range part {
			after = x.num
			if (asJSON{new(incident.Event)}).Scan(x.body) != nil {
				if err := a.exec(`DELETE FROM events WHERE rowid = ?`, x.num); err != nil {
					return err
				}
			}
		}
	}
}

// drop forgets an incident.
func (a *adoption) drop(s inventory.Scope, id string) error {
	return errors.Join(a.dropHistory(s, id), a.exec(`DELETE FROM incidents WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id))
}

func (a *adoption) dropHistory(s inventory.Scope, id string) error {
	return a.exec(`DELETE FROM history WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

func (a *adoption) takePipelines() error {
	known, err := rowsByKey(a, func(s *inventory.Scope, h *rehearse.PipelineHealth) []any {
		return []any{&s.Account, &s.Region, asJSON{h}}
	}, `SELECT account, region, body FROM ways`)
	for s, h := range known {
		err = errors.Join(err, a.SavePipelineHealth(s, h.FromCopy(), nil))
	}
	return err
}

// endBursts makes the bursts due. It drops bursts that the daemon could not read or end:
// because of one, each step of each restorer would fail.
func (a *adoption) endBursts() error {
	known, err := valuesByKey[string, []byte](a, `SELECT key, body FROM bursts ORDER BY key LIMIT ?`, mostAdopted)
	if err = errors.Join(err, a.exec(`DELETE FROM bursts`)); err != nil {
		return err
	}
	for key, text := range known {
		var b repeat.Burst
		if json.Unmarshal(text, &b) != nil {
			continue
		}
		b.Key = key
		if b, ok := b.FromCopy(a.Now); ok {
			err = errors.Join(err, a.putBurst(b))
		}
	}
	return err
}

// resetColumns resets what would delay alerts or restores.
func (a *adoption) resetColumns() error {
	return a.execEach([]string{
		`UPDATE campaigns SET ended_at = coalesce(ended_at, last_at)`,  // or later deletions would share their incident in a pager
		`UPDATE incidents SET restored_at = NULL`,                      // forged times would count as flapping, and hold restores back
		`UPDATE scopes SET holds = NULL, stale = NULL`,                 // or flow logs that the copy does not name would be held; takeScopes sets stale
		`UPDATE alerts SET cost = length(body) + 1024 WHERE cost <> 0`, // with forged sizes nothing, or everything, would be dropped to make room
		`UPDATE events SET cost = length(body) + 1024 WHERE cost <> 0`,
	})
}

// resetTimes resets times of refreshes that have not come, because a record would fail on them. Of pending alerts none waits
// longer than an answer may have to (alert.MinRing), or is more urgent than all others.
func (a *adoption) resetTimes() error {
	err := a.execEach([]string{
		`UPDATE scopes SET refreshed_at = NULL WHERE refreshed_at NOT BETWEEN 0 AND ?1`,
		`UPDATE scopes SET first_at = NULL WHERE first_at NOT BETWEEN 0 AND ?1`,
	}, a.Now.UnixMilli())
	return errors.Join(err, a.exec(`UPDATE deliveries SET next_at = min(next_at, ?1), attempts = 0, urgency = max(urgency, 0)
		WHERE sent_at IS NULL AND parked_at IS NULL`, a.Now.Add(alert.MinRing).UnixMilli()))
}

// takeScopes notes which scopes are stale.
func (a *adoption) takeScopes() error {
	refreshed, err := rowsByKey(a, func(s *inventory.Scope, at *time.Time) []any { return []any{&s.Account, &s.Region, at} },
		`SELECT account, region, refreshed_at FROM scopes`)
	for s, at := range refreshed {
		a.found.RefreshedAt = incident.Later(a.found.RefreshedAt, at)
		if err == nil && incident.StaleFromCopy(a.Made, at, a.Now, a.Stale) {
			a.found.Stale = true
			err = a.exec(`UPDATE scopes SET stale = 1 WHERE account = ? AND region = ?`, s.Account, s.Region)
		}
	}
	return err
}

// dropDeliveries drops the pending deliveries of alerts beyond the newest mostAdopted.
func (a *adoption) dropDeliveries() (err error) {
	a.found.Alerts, err = firstValue[int](a, `SELECT max(0, count(DISTINCT alert) - ?) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL`, mostAdopted)
	if err != nil || a.found.Alerts == 0 {
		return err
	}
	return a.exec(`DELETE FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL AND alert NOT IN
		(SELECT alert FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL GROUP BY alert ORDER BY alert DESC LIMIT ?)`, mostAdopted)
}

// writeAlerts writes the texts of pending alerts anew: sinks send title and text as they are
// stored, and an attacker may have written those of a copy (I12). An alert that can't be read
// is not sent.
func (a *adoption) writeAlerts() error {
	type stored struct {
		num      int64
		id, body string
	}
	const atOnce = 20 // an alert may be large
	for after := int64(0); ; {
		part, err := allRows(a, func(x *stored) []any { return []any{&x.num, &x.id, &x.body} },
			`SELECT num, id, body FROM alerts WHERE num > ? AND num IN (SELECT alert FROM deliveries WHERE sent_at IS NULL) ORDER BY num LIMIT ?`, after, atOnce)
		if err != nil || len(part) == 0 {
			return err
		}
		for _, x := range part {
			after = x.num
			var one alert.Alert
			if json.Unmarshal([]byte(x.body), &one) != nil {
				err = a.exec(`DELETE FROM deliveries WHERE alert = ?`, x.num)
			} else {
				one.ID = x.id // by this the outbox finds the row
				one.Write()
				err = a.exec(`UPDATE alerts SET body = ? WHERE num = ?`, body(one), x.num)
			}
			if err != nil {
				return err
			}
		}
	}
}
