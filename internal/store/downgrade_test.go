package store

// withoutSchema7 takes away what schema 7 added, for tests that upgrade a file of an
// older one: what they fill it with is written as today.
const withoutSchema7 = `DROP INDEX deliveries_urgency; DROP INDEX deliveries_next; DROP INDEX deliveries_refused; DROP INDEX deliveries_parked; ALTER TABLE deliveries DROP COLUMN urgency;
	DROP INDEX alerts_campaign; DROP INDEX alerts_campaign_ends;
	ALTER TABLE alerts DROP COLUMN campaign; ALTER TABLE alerts DROP COLUMN ends; ALTER TABLE alerts DROP COLUMN rings_on;
	DROP TABLE campaigns; DROP INDEX events_campaign; ALTER TABLE events DROP COLUMN campaign; ALTER TABLE events DROP COLUMN over;`
