package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/repeat"
)

// Adoption is how a copy becomes the state file.
type Adoption struct {
	Now   time.Time
	Made  time.Time     // when the copy was written, as its keeper says
	Stale time.Duration // a copy, or a scope's last refresh in it, older than this is only told of
	Route func(alert.Alert) []string
	// Tell words the alert of it, which is in the state file from its first moment.
	Tell func(Adopted) alert.Alert
}

// Adopted is what a copy holds, and what of it does not count any more. Whoever
// can write the place of the copies can have written all of it.
type Adopted struct {
	FlowLogs    int // that it protects
	Scopes      int
	RefreshedAt time.Time // the newest complete refresh in it; zero: none
	Stale       bool      // the first refresh of some scope only tells what it does not find
	Released    Released  // releases that it had, and that hold no more
	Unprotected int       // live flow logs that it did not protect: judged anew
	Deaf        int       // incidents after which no record of a deletion would count: they end, or are dropped
	Alerts      int       // undelivered alerts beyond the newest mostAdopted: dropped
}

// mostAdopted undelivered alerts come with a copy: more would hold up what comes
// after them.
const mostAdopted = 1000

// Adopt makes a copy the state file, where there is none yet. It is checked and
// brought to today's schema first. What it says of what was there and is to come
// back counts, and nothing in it that loosens: an adopted copy makes nobody deaf
// to what a new state file would hear of.
func Adopt(ctx context.Context, copied, path string, a Adoption) error {
	lock, err := lockFile(path + ".lock") // or a daemon whose file was just deleted would find another in its place
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := oursAlone(ctx, copied); err != nil {
		return err
	}
	s, err := Open(ctx, copied, Options{Daemon: true, Route: a.Route, Now: func() time.Time { return a.Now }})
	if err != nil {
		return err
	}
	err = s.Update(ctx, func(t *Tx) error { return adoption{t}.adopt(a) })
	if err = errors.Join(err, s.Close(), os.RemoveAll(copied+".lock")); err != nil {
		return err
	}
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

// ErrStrange is wrapped by Adopt where a copy has other tables, indexes, views or
// triggers than Flowkeeper makes: a trigger could undo whatever is written.
var ErrStrange = errors.New("it was not made by Flowkeeper alone")

// oursAlone compares a copy's schema with that of its version, before anything is
// written to it.
func oursAlone(ctx context.Context, copied string) error {
	db, err := sql.Open("sqlite", dsn(copied, "&_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close()
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return damaged(copied, err)
	}
	if version < 0 || version > len(migrations) {
		return nil // Open says what that is
	}
	have, err := schemaOf(ctx, db)
	if err != nil {
		return damaged(copied, err)
	}
	model, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer model.Close()
	model.SetMaxOpenConns(1) // each connection has a memory of its own
	for _, m := range migrations[:version] {
		if _, err := model.ExecContext(ctx, m); err != nil {
			return err
		}
	}
	want, err := schemaOf(ctx, model)
	if err != nil {
		return err
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			return fmt.Errorf("%w: there is a %s in it", ErrStrange, alert.Clean(line, 200))
		}
	}
	if len(have) != len(want) {
		return fmt.Errorf("%w: %d tables and indexes instead of %d", ErrStrange, len(have), len(want))
	}
	return nil
}

func schemaOf(ctx context.Context, db *sql.DB) (lines []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT type || ' ' || name || ' of ' || tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

// adoption is the transaction that makes a copy ready to be the state file.
type adoption struct{ *Tx }

// adopt takes out of a copy what loosens, and tells what it was. Each row is
// read and written as the daemon does: what SQL would see of its text need not be
// what the daemon reads.
func (t adoption) adopt(a Adoption) error {
	var found Adopted
	scopes := map[inventory.Scope]bool{}
	var after int64
	for {
		rows, last, err := t.rowsAfter(after)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		after = last
		for _, r := range rows {
			scopes[r.Scope] = true
			if err := t.adoptRow(r, a.Now, &found); err != nil {
				return err
			}
		}
	}
	found.Scopes = len(scopes)
	if err := t.adoptRest(a, &found); err != nil || a.Tell == nil {
		return err
	}
	return t.AddAlert(a.Tell(found))
}

// rowsAfter is a page of rows, each with the identity that it is found by.
func (t adoption) rowsAfter(after int64) (out []inventory.Row, last int64, err error) {
	last = after
	err = t.rows(func(scan func(...any) error) error {
		var r inventory.Row
		var scope inventory.Scope
		var id string
		err := decode(scan, &r, &last, &scope.Account, &scope.Region, &id)
		r.Scope, r.ID = scope, id
		out = append(out, r)
		return err
	}, `SELECT num, account, region, id, body FROM flow_logs WHERE num > ? ORDER BY num LIMIT ?`, after, page)
	return out, last, err
}

// adoptRow writes a row, and the incident of its flow log, as far as they count.
func (t adoption) adoptRow(r inventory.Row, now time.Time, found *Adopted) error {
	live := r.State == inventory.Live
	if live && r.ReleasedUntil.After(now) {
		found.Released.FlowLogs++
		if r.ReleasedUntil.After(found.Released.Until) {
			found.Released.Until = r.ReleasedUntil
		}
	}
	r.ReleasedUntil, r.ReleasedAt, r.ReleaseReason = time.Time{}, time.Time{}, ""
	switch {
	case live && r.Protected:
		found.FlowLogs++
	case live && !r.Excluded:
		found.Unprotected++
	}
	protected := r.Protected
	if !protected {
		// A decoy, or outside of inventory.destinations: the next refresh decides about
		// each row that is excluded and should not be.
		r.Excluded = true
	}
	if !live {
		// Gone for good, until a listing shows it: like an imported one, for a listing
		// revives no gone row.
		r.State, r.Imported = inventory.Live, true
	}
	if err := t.PutFlowLog(r); err != nil {
		return err
	}
	i, ok, err := t.Incident(r.Scope, r.ID)
	if err != nil || !ok {
		return err
	}
	i.Scope, i.FlowLogID = r.Scope, r.ID
	switch pending := i.State == incident.Open || i.State == incident.Blocked; {
	case pending && (live || protected):
		i.WaitUntil, i.NextAttemptAt = time.Time{}, now // nobody waits for what a rule, or the copy, says
		i.ToldStuckAt, i.Stuck, i.StuckNews = time.Time{}, nil, false
		if err := t.adoptEvent(i, now); err != nil {
			return err
		}
	case pending:
		return t.dropIncident(r.Scope, r.ID) // it would end as it begins: nothing is to come back
	case live && !i.Listens():
		found.Deaf++
		i = i.Listening(now)
	default:
		return nil
	}
	return t.PutIncident(i)
}

// adoptEvent makes people hear, in five minutes at the latest, of what is to come back
// and is not: whatever the copy says that they have heard.
func (t adoption) adoptEvent(i incident.Incident, now time.Time) error {
	e, ok, err := t.Event(i.Scope, i.EventID)
	if err != nil {
		return err
	}
	if !ok {
		e = incident.Event{Source: i.Source, Level: alert.High, DetectedAt: now, ToldDeletion: now}
	}
	if e.ToldDeletion.IsZero() && e.Source != incident.ByDrift || e.ToldDeletion.After(now) {
		e.ToldDeletion = now // or nothing is told of it
	}
	e.Scope, e.ID, e.Unknown, e.ToldClosed = i.Scope, i.EventID, false, time.Time{}
	e.DueAt, e.StuckAt, e.OverdueAt = now, time.Time{}, now.Add(5*time.Minute)
	return t.PutEvent(e)
}

// dropStray forgets the incidents of flow logs that the copy has no row of, but
// for those of unknown ones: of what a listing shows anew, no record would count.
func (t adoption) dropStray(found *Adopted) error {
	type stray struct {
		scope inventory.Scope
		id    string
	}
	var all []stray
	err := t.rows(func(scan func(...any) error) error {
		var x stray
		var i incident.Incident
		err := decode(scan, &i, &x.scope.Account, &x.scope.Region, &x.id)
		if i.Known || i.State != incident.Open && (i.State != incident.Closed || i.Reason != incident.Unknown) {
			all = append(all, x)
		}
		return err
	}, `SELECT account, region, id, body FROM incidents i WHERE NOT EXISTS
		(SELECT 1 FROM flow_logs f WHERE f.account = i.account AND f.region = i.region AND f.id = i.id)`)
	if err != nil {
		return err
	}
	found.Deaf += len(all)
	for _, x := range all {
		if err := t.dropIncident(x.scope, x.id); err != nil {
			return err
		}
	}
	return nil
}

func (t adoption) dropIncident(s inventory.Scope, id string) error {
	for _, q := range []string{`DELETE FROM history WHERE account = ? AND region = ? AND id = ?`, `DELETE FROM incidents WHERE account = ? AND region = ? AND id = ?`} {
		if err := t.exec(q, s.Account, s.Region, id); err != nil {
			return err
		}
	}
	return nil
}

func (t adoption) adoptRest(a Adoption, found *Adopted) error {
	if err := t.dropStray(found); err != nil {
		return err
	}
	pipelines, err := t.allPipelines()
	if err != nil {
		return err
	}
	for s, w := range pipelines {
		w.By, w.OthersAt = "", time.Time{} // whose rehearsals count
		if err := t.PutPipelineHealth(s, w); err != nil {
			return err
		}
	}
	// What holds alerts back: repeats to be summed up, now, and campaigns whose pager
	// incident later deletions would share.
	if err := t.adoptBursts(a.Now); err != nil {
		return err
	}
	if err := t.exec(`UPDATE campaigns SET ended_at = coalesce(ended_at, last_at)`); err != nil {
		return err
	}
	// When lineages were restored, or ones that never were would hold others back.
	if err := t.exec(`UPDATE incidents SET restored_at = NULL`); err != nil {
		return err
	}
	var refreshed sql.NullInt64
	if err := t.one(&refreshed, `SELECT max(refreshed_at) FROM scopes`); err != nil {
		return err
	}
	if refreshed.Valid {
		found.RefreshedAt = time.UnixMilli(refreshed.Int64)
	}
	if err := t.exec(`DELETE FROM rehearsals`); err != nil {
		return err
	}
	if err := t.exec(`UPDATE scopes SET stale = iif(?1 OR refreshed_at < ?2, 1, NULL)`, a.Now.Sub(a.Made) > a.Stale, a.Now.Add(-a.Stale).UnixMilli()); err != nil {
		return err
	}
	if err := t.one(&found.Stale, `SELECT EXISTS (SELECT 1 FROM scopes WHERE stale = 1)`); err != nil {
		return err
	}
	if err := t.one(&found.Alerts, `SELECT max(0, count(DISTINCT alert) - ?) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL`, mostAdopted); err != nil || found.Alerts == 0 {
		return err
	}
	return t.exec(`DELETE FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL AND alert NOT IN
		(SELECT alert FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL GROUP BY alert ORDER BY alert DESC LIMIT ?)`, mostAdopted)
}

// adoptBursts ends the windows of what was repeated. One that the daemon could not
// end is dropped: each restorer would fail at it, again and again.
func (t adoption) adoptBursts(now time.Time) error {
	all, err := t.someBursts(mostAdopted)
	if err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM bursts`); err != nil {
		return err
	}
	for key, text := range all {
		var b repeat.Burst
		if json.Unmarshal(text, &b) != nil || b.Held.Calls > 0 && b.Held.Gravest == nil {
			continue
		}
		b.Key, b.DueAt = key, now
		if err := t.PutBurst(b); err != nil {
			return err
		}
	}
	return nil
}

func (t adoption) someBursts(limit int) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := t.rows(func(scan func(...any) error) error {
		var key string
		var text []byte
		err := scan(&key, &text)
		out[key] = text
		return err
	}, `SELECT key, body FROM bursts ORDER BY key LIMIT ?`, limit)
	return out, err
}

func (t adoption) allPipelines() (map[inventory.Scope]rehearse.PipelineHealth, error) {
	out := map[inventory.Scope]rehearse.PipelineHealth{}
	err := t.rows(func(scan func(...any) error) error {
		var s inventory.Scope
		var w rehearse.PipelineHealth
		err := decode(scan, &w, &s.Account, &s.Region)
		out[s] = w
		return err
	}, `SELECT account, region, body FROM ways`)
	return out, err
}
