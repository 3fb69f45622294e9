package answer

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Timeout is how long the caller waits for EC2's answer to one call, and so how long an alert waits for it at most.
const Timeout = 25 * time.Second

// OneAttempt has the SDK send a call once, whatever the answer. What the answer means decides whether and when
// the call is made again (docs/decisions/retries.md).
func OneAttempt(o *ec2.Options) { o.RetryMaxAttempts = 1 }
