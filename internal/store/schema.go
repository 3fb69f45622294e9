package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
)

// migrations lead from an empty file to the schema of today, one step for each
// version. Never change one that was released: add the next.
var migrations = []string{`
CREATE TABLE scopes (
	account TEXT NOT NULL, region TEXT NOT NULL,
	refreshed_at INTEGER,  -- start of the last complete refresh
	first_at INTEGER,      -- end of the first
	PRIMARY KEY (account, region)
) WITHOUT ROWID;
CREATE TABLE flow_logs (
	num INTEGER PRIMARY KEY,
	account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,
	root_id TEXT NOT NULL, resource_id TEXT NOT NULL, state TEXT NOT NULL, protected INTEGER NOT NULL,
	written_at INTEGER NOT NULL, gone_at INTEGER,
	digest BLOB NOT NULL,
	body TEXT NOT NULL,
	UNIQUE (account, region, id)
);
CREATE INDEX flow_logs_resource ON flow_logs (account, region, resource_id);
CREATE TABLE incidents (
	account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,
	root_id TEXT NOT NULL, resource_id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
	known INTEGER NOT NULL, event_id TEXT NOT NULL,
	detected_at INTEGER NOT NULL, first_seen_at INTEGER NOT NULL, restored_at INTEGER, wait_until INTEGER, next_at INTEGER,
	body TEXT NOT NULL,
	PRIMARY KEY (account, region, id)
);
CREATE INDEX incidents_due ON incidents (account, region, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX incidents_event ON incidents (account, region, event_id, state);
CREATE INDEX incidents_resource ON incidents (account, region, resource_id);
CREATE INDEX incidents_root ON incidents (account, region, root_id, restored_at);
CREATE INDEX incidents_unknown ON incidents (account, region, known) WHERE known = 0;
CREATE TABLE history (
	num INTEGER PRIMARY KEY,
	account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT NOT NULL,
	body TEXT NOT NULL
);
CREATE INDEX history_incident ON history (account, region, id, event_id);
CREATE TABLE events (
	account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,
	due_at INTEGER, detected_at INTEGER NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (account, region, id)
);
CREATE INDEX events_due ON events (account, region, due_at) WHERE due_at IS NOT NULL;
CREATE TABLE alerts (
	num INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
	body TEXT NOT NULL
);
CREATE TABLE deliveries (
	alert INTEGER NOT NULL REFERENCES alerts (num), sink TEXT NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL,
	sent_at INTEGER, parked_at INTEGER, error TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (sink, alert)
) WITHOUT ROWID;
CREATE INDEX deliveries_pending ON deliveries (sink, alert) WHERE sent_at IS NULL AND parked_at IS NULL;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`, `
-- What people have not been told yet of a flow log, and where flow logs have
-- ever delivered to. The next refresh fills the latter in from all that it
-- lists, and counts as the first: nothing in it is new.
ALTER TABLE flow_logs ADD COLUMN untold INTEGER;
CREATE INDEX flow_logs_untold ON flow_logs (account, region) WHERE untold = 1;
CREATE TABLE destinations (
	account TEXT NOT NULL, region TEXT NOT NULL, destination TEXT NOT NULL,
	PRIMARY KEY (account, region, destination)
) WITHOUT ROWID;
UPDATE flow_logs SET digest = x'';
UPDATE scopes SET first_at = NULL;
`, `
-- What AWS last said to dry runs of restores, whether these came back as
-- events, and how far a state file that came back from its copy is trusted.
CREATE TABLE rehearsals (
	account TEXT NOT NULL, region TEXT NOT NULL, needs TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (account, region, needs)
) WITHOUT ROWID;
ALTER TABLE scopes ADD COLUMN stale INTEGER; -- from a copy so old that the first refresh only tells
CREATE TABLE ways (
	account TEXT NOT NULL, region TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (account, region)
) WITHOUT ROWID;
`, `
-- What the restore of each protected flow log needs, to count those that a
-- rehearsal stands for. The next refresh writes it for all that it lists.
ALTER TABLE flow_logs ADD COLUMN needs TEXT;
CREATE INDEX flow_logs_needs ON flow_logs (account, region, needs) WHERE needs IS NOT NULL;
CREATE INDEX flow_logs_state ON flow_logs (state);
UPDATE flow_logs SET digest = x'';
-- Which incidents an event has ever named, and since when one is settled.
CREATE INDEX history_event ON history (account, region, event_id, id);
ALTER TABLE incidents ADD COLUMN settled_at INTEGER;
UPDATE incidents SET settled_at = detected_at WHERE state IN ('verified', 'closed');
-- What answers an earlier alert, to be sent after that one.
ALTER TABLE alerts ADD COLUMN dedup_key TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alerts_dedup_key ON alerts (dedup_key, num);
`, `
-- What flow logs depend on, and what principals did to them within the last
-- day. The next refresh fills the former in from all that it lists.
CREATE TABLE depends (
	thing TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, needs TEXT NOT NULL,
	PRIMARY KEY (thing, account, region, needs)
) WITHOUT ROWID;
UPDATE flow_logs SET digest = x'';
CREATE TABLE deeds (
	principal TEXT NOT NULL, at INTEGER NOT NULL, event_id TEXT NOT NULL, event_name TEXT NOT NULL,
	refused INTEGER NOT NULL, flow_logs INTEGER NOT NULL,
	PRIMARY KEY (principal, event_id, event_name)
) WITHOUT ROWID;
CREATE INDEX deeds_principal ON deeds (principal, at);
CREATE INDEX deeds_at ON deeds (at);
`, `
-- Until when a protected flow log may go without being restored, to count them.
ALTER TABLE flow_logs ADD COLUMN released_until INTEGER;
CREATE INDEX flow_logs_released ON flow_logs (released_until) WHERE released_until IS NOT NULL;
UPDATE flow_logs SET released_until = unixepoch(json_extract(body, '$.ReleasedUntil')) * 1000
	WHERE needs IS NOT NULL AND unixepoch(json_extract(body, '$.ReleasedUntil')) > 0;
`, `
-- Restores that need more permissions because of what they record are rehearsed
-- apart (delivery.Fields): until then no rehearsal stands for them.
UPDATE flow_logs SET needs = json_set(needs, '$.ECS', json('true')), digest = x''
	WHERE needs IS NOT NULL AND instr(json_extract(body, '$.log_format'), 'ecs-') > 0;
UPDATE flow_logs SET needs = json_set(needs, '$.EC2Tags', json('true')), digest = x'' WHERE needs IS NOT NULL
	AND EXISTS (SELECT 1 FROM json_each(body, '$.tag_field_specifications') t WHERE t.value ->> 'resource_type' IN ('instance', 'network-interface'));
UPDATE flow_logs SET needs = json_set(needs, '$.GroupTags', json('true')), digest = x'' WHERE needs IS NOT NULL
	AND EXISTS (SELECT 1 FROM json_each(body, '$.tag_field_specifications') t WHERE t.value ->> 'resource_type' = 'auto-scaling-group');
UPDATE flow_logs SET needs = json_set(needs, '$.OtherTags', json('true')), digest = x'' WHERE needs IS NOT NULL
	AND EXISTS (SELECT 1 FROM json_each(body, '$.tag_field_specifications') t
		WHERE coalesce(t.value ->> 'resource_type', '') NOT IN ('instance', 'network-interface', 'auto-scaling-group'));
INSERT OR IGNORE INTO depends (thing, account, region, needs)
	SELECT d.thing, f.account, f.region, f.needs
	FROM (SELECT DISTINCT account, region, needs, json_remove(needs, '$.ECS', '$.EC2Tags', '$.GroupTags', '$.OtherTags') AS plain FROM flow_logs WHERE needs IS NOT NULL) f
	JOIN depends d ON d.account = f.account AND d.region = f.region AND d.needs = f.plain
	WHERE f.needs <> f.plain;
-- In which order a sink gets what it has not got yet (alert.Alert.Urgency), and
-- which alerts a pager opens and resolves together: deletions by one principal
-- that follow each other are a campaign.
ALTER TABLE deliveries ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET urgency = 3 WHERE sent_at IS NULL AND (SELECT json_extract(body, '$.kind') FROM alerts WHERE num = alert) IN ('attempt', 'tamper');
CREATE INDEX deliveries_urgency ON deliveries (sink, urgency, alert, next_at, sent_at, parked_at) WHERE sent_at IS NULL AND parked_at IS NULL;
CREATE INDEX deliveries_next ON deliveries (sink, next_at, alert) WHERE sent_at IS NULL AND parked_at IS NULL;
CREATE INDEX deliveries_refused ON deliveries (sink) WHERE sent_at IS NULL AND attempts >= 3;
ALTER TABLE alerts ADD COLUMN campaign TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;     -- resolves the campaign
ALTER TABLE alerts ADD COLUMN rings_on INTEGER NOT NULL DEFAULT 0; -- is not resolved for five minutes
CREATE INDEX alerts_campaign ON alerts (campaign, num) WHERE campaign <> '';
CREATE INDEX alerts_campaign_ends ON alerts (campaign, num) WHERE ends = 1;
CREATE TABLE campaigns (
	id TEXT PRIMARY KEY, account TEXT NOT NULL, principal TEXT NOT NULL,
	first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, -- of its deletions
	level TEXT NOT NULL,                                 -- the most urgent of its alerts
	ended_at INTEGER
) WITHOUT ROWID;
CREATE INDEX campaigns_principal ON campaigns (account, principal, last_at);
CREATE INDEX campaigns_last ON campaigns (last_at);
ALTER TABLE events ADD COLUMN campaign TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_campaign ON events (campaign, over) WHERE campaign <> '';
-- Alerts that were given up, among them those that nobody has taken.
CREATE INDEX deliveries_parked ON deliveries (sink, alert) WHERE parked_at IS NOT NULL;
-- What one principal repeats, until people are alerted of it in one alert.
CREATE TABLE bursts (
	key TEXT PRIMARY KEY, class TEXT NOT NULL,
	account TEXT NOT NULL, region TEXT NOT NULL, -- whose restorer looks after it; empty: any
	due_at INTEGER NOT NULL,
	body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX bursts_due ON bursts (account, region, due_at);
-- The bytes that a row takes, where it may be dropped to make room (budget.go);
-- 0: it may not.
ALTER TABLE alerts ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
UPDATE alerts SET cost = length(body) + 1024 WHERE json_extract(body, '$.kind') IN ('attempt', 'tamper');
CREATE INDEX alerts_cost ON alerts (at, cost) WHERE cost > 0;
ALTER TABLE incidents ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
UPDATE incidents SET cost = 2 * length(body) + 1024 WHERE known = 0;
CREATE INDEX incidents_cost ON incidents (detected_at, cost) WHERE cost > 0;
ALTER TABLE events ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_cost ON events (detected_at, cost) WHERE cost > 0;
ALTER TABLE deeds ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
UPDATE deeds SET cost = 3 * (length(principal) + length(event_id) + length(event_name)) + 128;
DROP INDEX deeds_at;
CREATE INDEX deeds_cost ON deeds (at, cost);
-- By what Prune finds what is old (prune.go), and what an alert's rows are.
CREATE INDEX deliveries_alert ON deliveries (alert);
CREATE INDEX alerts_at ON alerts (at);
CREATE INDEX incidents_settled ON incidents (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX incidents_pending ON incidents (account, region) WHERE state IN ('open', 'blocked');
CREATE INDEX flow_logs_gone ON flow_logs (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX events_detected ON events (detected_at);
-- How often an incident was tried: first attempts come before others. What is not
-- back is looked at once more, to tell of it. Since when flow logs deliver to a
-- destination: NULL for those that the first refresh found.
ALTER TABLE incidents ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
UPDATE incidents SET tried = coalesce(json_extract(body, '$.Attempts'), 0) WHERE state IN ('open', 'blocked');
UPDATE events SET due_at = 0 WHERE EXISTS (SELECT 1 FROM incidents i
	WHERE i.account = events.account AND i.region = events.region AND i.event_id = events.id AND i.state IN ('open', 'blocked'));
ALTER TABLE destinations ADD COLUMN first_at INTEGER;
`, `
-- All that the sum of a principal's recent calls reads.
DROP INDEX deeds_principal;
CREATE INDEX deeds_principal ON deeds (principal, at, event_name, refused, flow_logs);
`, `
-- What incidents may share one call to AWS by: '' for those that share none.
ALTER TABLE incidents ADD COLUMN call_key TEXT NOT NULL DEFAULT '';
CREATE INDEX incidents_call ON incidents (account, region, call_key, id) WHERE call_key <> '';
-- Flow logs that are held for where they deliver, what was approved, and to whose log
-- groups and streams flow logs deliver.
ALTER TABLE flow_logs ADD COLUMN held INTEGER;
CREATE INDEX flow_logs_held ON flow_logs (account, region, id) WHERE held = 1;
ALTER TABLE scopes ADD COLUMN holds INTEGER; -- there was a complete refresh since the file was made, or adopted
UPDATE scopes SET holds = 1 WHERE first_at IS NOT NULL;
CREATE TABLE approved (recipient TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO depends (thing, account, region, needs)
	SELECT 'account:' || substr(behind, 1, instr(behind, ':') - 1), account, region, needs
	FROM (SELECT account, region, needs, substr(thing, instr(thing, ':') + 1 + instr(substr(thing, instr(thing, ':') + 1), ':')) AS behind
		FROM depends WHERE thing LIKE 'logs:%' OR thing LIKE 'firehose:%');
`, `
-- The accounts of the organisation that are protected, or were.
CREATE TABLE accounts (
	id TEXT PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, management INTEGER NOT NULL,
	first_at INTEGER NOT NULL,
	left_at INTEGER, why TEXT NOT NULL -- since when it is not protected any more, and why; NULL and '': it is
) WITHOUT ROWID;
-- The names that people have given to what flow logs are of, where there are any: the
-- value of the tag Name.
CREATE TABLE name_tags (
	account TEXT NOT NULL, region TEXT NOT NULL, resource_id TEXT NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (account, region, resource_id)
) WITHOUT ROWID;
`, `
-- What the restores of flow logs need is kept once for each scope, and bodies are packed (pack.go).
CREATE TABLE targets (
	num INTEGER PRIMARY KEY,
	account TEXT NOT NULL, region TEXT NOT NULL, needs TEXT NOT NULL,
	UNIQUE (account, region, needs)
);
INSERT INTO targets (account, region, needs) SELECT DISTINCT account, region, needs FROM flow_logs WHERE needs IS NOT NULL;
CREATE TABLE packed_flow_logs (
	num INTEGER PRIMARY KEY,
	account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,
	root_id TEXT NOT NULL, resource_id TEXT NOT NULL, state TEXT NOT NULL, protected INTEGER NOT NULL,
	written_at INTEGER NOT NULL, gone_at INTEGER,
	digest BLOB NOT NULL,
	body BLOB NOT NULL,
	untold INTEGER,
	target INTEGER, -- of targets; NULL: it is not restored by itself
	released_until INTEGER, held INTEGER,
	failing INTEGER, -- 1: the last alert of its delivery says that it fails
	UNIQUE (account, region, id)
);
INSERT INTO packed_flow_logs SELECT num, account, region, id, root_id, resource_id, state, protected, written_at, gone_at, digest, packed(body), untold,
	(SELECT t.num FROM targets t WHERE t.account = f.account AND t.region = f.region AND t.needs = f.needs), released_until, held,
	iif(state = 'live' AND protected = 1 AND json_valid(body), nullif(json_extract(body, '$.ToldFailing'), 0), NULL)
	FROM flow_logs f ORDER BY num;
DROP TABLE flow_logs; -- with its indexes
ALTER TABLE packed_flow_logs RENAME TO flow_logs;
CREATE INDEX flow_logs_resource ON flow_logs (account, region, resource_id);
CREATE INDEX flow_logs_state ON flow_logs (state);
CREATE INDEX flow_logs_target ON flow_logs (target) WHERE target IS NOT NULL;
CREATE INDEX flow_logs_unprotected ON flow_logs (account, region, id) WHERE target IS NULL AND state = 'live';
CREATE INDEX flow_logs_untold ON flow_logs (account, region) WHERE untold = 1;
CREATE INDEX flow_logs_failing ON flow_logs (account, region) WHERE failing = 1;
CREATE INDEX flow_logs_held ON flow_logs (account, region, id) WHERE held = 1;
CREATE INDEX flow_logs_released ON flow_logs (released_until) WHERE released_until IS NOT NULL;
CREATE INDEX flow_logs_gone ON flow_logs (gone_at) WHERE gone_at IS NOT NULL;
`, `
-- Flow logs that count as decoys: when the alert of that is due, 0 if there is none to send. Whether
-- there was one of those that are known is not: so it is due.
ALTER TABLE flow_logs ADD COLUMN decoy INTEGER;
CREATE INDEX flow_logs_decoy ON flow_logs (account, region, decoy, state) WHERE decoy IS NOT NULL;
UPDATE flow_logs SET decoy = 1,
	body = packed(json_set(unpacked(body), '$.DecoyNotice', json('{"Of":"","Differences":null,"Since":"1970-01-01T00:00:00.001Z","Due":"1970-01-01T00:00:00.001Z"}')))
	WHERE target IS NULL AND state = 'live' AND protected = 0 AND held IS NULL AND json_valid(unpacked(body))
	AND NOT json_extract(unpacked(body), '$.Excluded') AND NOT json_extract(unpacked(body), '$.Imported');
`}

// migrate brings a file to the schema that the migrations lead to. It keeps an unchanged copy
// of an older file, and refuses a file of a newer version.
func migrate(ctx context.Context, db *sql.DB, path string, migrations []string) error {
	version, err := versionOf(ctx, db, path)
	if err != nil {
		return err
	}
	switch {
	case version == len(migrations):
		return nil
	case version > len(migrations):
		return fmt.Errorf("%s was written by a newer Flowkeeper (schema %d, this one knows %d): upgrade, or move the file away", path, version, len(migrations))
	case version > 0:
		if err := keepOld(ctx, db, fmt.Sprintf("%s.schema-%d", path, version)); err != nil {
			return fmt.Errorf("keep a copy of %s before its upgrade: %w", path, err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return damaged(path, err)
	}
	defer tx.Rollback()
	for n := version; n < len(migrations); n++ {
		if _, err := tx.ExecContext(ctx, migrations[n]); err != nil {
			return fmt.Errorf("upgrade %s to schema %d: %w", path, n+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, len(migrations))); err != nil {
		return fmt.Errorf("upgrade %s: %w", path, err)
	}
	return tx.Commit()
}

// versionOf is how many migrations a file has had.
func versionOf(ctx context.Context, db *sql.DB, path string) (version int, err error) {
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return 0, damaged(path, err)
	}
	return version, nil
}

// keepOld copies the file to a path where an earlier copy may be, and to.tmp an unfinished
// one. Like the file, only the daemon's user may read the copy.
func keepOld(ctx context.Context, db *sql.DB, to string) error {
	half := to + ".tmp"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, half); err != nil {
		return err
	}
	return os.Rename(half, to)
}
