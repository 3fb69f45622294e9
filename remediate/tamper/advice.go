package tamper

import "flowkeeper/internal/cloudtrail"

// advice is what to do about a call (docs/alerts.md has more).
func advice(r cloudtrail.Record) string {
	switch r.EventName {
	case "DeleteLogGroup":
		return "make the log group again, with its retention, key and resource policy"
	case "DeleteLogStream":
		return "what the stream held is lost: look for a copy, and for who else may delete there"
	case "PutRetentionPolicy":
		return "put the retention back at once: what is older than the new one is deleted within days"
	case "DeleteBucket":
		return "make the bucket again now, before somebody else takes its name; then its policy"
	case "PutBucketPolicy", "DeleteBucketPolicy":
		return "put the bucket's policy back: delivery.logs.amazonaws.com must be able to write"
	case "PutBucketLifecycle":
		return "put the lifecycle back at once: what is older than the new rule is deleted within days"
	case "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy":
		return "put the role's permissions and trust back: without them nothing is delivered, or restored"
	case "DeleteDeliveryStream":
		return "make the delivery stream again, with the tag LogDeliveryEnabled"
	case "UntagDeliveryStream":
		return "put the tag LogDeliveryEnabled=true back: AWS delivers to no stream without it"
	case "UpdateDestination":
		return "put the delivery stream's destination back: what flow logs deliver goes where it says"
	case "DisableKey":
		return "enable the key again: what is encrypted with it can't be written or read until then"
	case "ScheduleKeyDeletion":
		return "cancel the key's deletion, and enable it again"
	case "StopLogging":
		return "start the trail's logging again: while none logs management events, only the refresh finds deletions"
	case "DeleteTrail", "UpdateTrail", "PutEventSelectors":
		return "see that a trail logs management events: while none does, only the refresh finds deletions"
	case "DeleteRule", "DisableRule", "RemoveTargets", "PutRule":
		return "see that the rule is enabled, has its pattern, and sends to the queue: until then only the refresh finds deletions"
	case "PutTargets":
		return "see that the rule sends to the queue, whole: no input transformer, path or constant input; until then only the refresh finds deletions"
	case "DeleteQueue":
		return "make the queue again, with its policy: until then only the refresh finds deletions"
	case "PurgeQueue":
		return "what was in the queue is lost: run `flowkeeper inventory refresh`, and see who did this"
	case "SetQueueAttributes":
		return "compare the queue's attributes with your own code: its policy must let the rule send, and nobody else"
	}
	return ""
}
