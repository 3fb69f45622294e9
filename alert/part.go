package alert

// Part is a part of the pipeline that may fail. Each part of each scope has one incident at a pager, from the first
// alert until everything in that part works again. PartTags has none: the alerts about it belong to events. The text of
// one of several like parts begins with one of these constants and a space. The texts are in state files.
type Part string

const (
	PartDelivery     Part = "delivery"     // AWS delivers what protected flow logs record
	PartTags         Part = "tags"         // AWS takes the tags of restored flow logs
	PartRehearsal    Part = "rehearsal"    // AWS would allow to restore protected flow logs
	PartEvents       Part = "events"       // the records of rehearsals arrive through the queue
	PartAWS          Part = "aws"          // AWS can be reached
	PartQueue        Part = "queue"        // the queue answers
	PartLogFiles     Part = "log_files"    // CloudTrail's log files can be read; the bucket's name follows
	PartRefresh      Part = "refresh"      // the inventory can be refreshed
	PartBackup       Part = "backup"       // the state file can be copied to S3
	PartState        Part = "state"        // the state file is there; no alert says that an outage of it has ended
	PartOrganization Part = "organization" // the accounts can be listed
	PartDeparted     Part = "departed"     // an account is protected; with a further word, accounts that departed together are
	PartAccount      Part = "account"      // the credentials of an account work
	PartRegions      Part = "regions"      // the enabled Regions of an account can be asked for
)
