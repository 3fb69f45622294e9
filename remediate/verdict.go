package remediate

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/remediate/incident"
)

// Verdict is what AWS said to a CreateFlowLogs with DryRun.
type Verdict struct {
	Allowed    bool
	NoResource bool   // what it would watch is gone: nothing is said of the rest
	NoAnswer   bool   // throttled, unreachable: AWS gave no verdict
	Advice     string // where it is refused: what a person should do
	Message    string // AWS's own words, bounded
}

// ReadDryRun reads the answer as a rehearsal does.
func ReadDryRun(out *ec2.CreateFlowLogsOutput, err error) Verdict {
	if errorCode(err) == "DryRunOperation" {
		return Verdict{Allowed: true}
	}
	a := read(out, err)
	switch a.Class {
	case incident.Created, incident.AlreadyThere, incident.TokenMismatch:
		return Verdict{Allowed: true}
	case incident.ResourceAbsent:
		return Verdict{NoResource: true, Message: a.Message}
	case incident.TryAgain:
		return Verdict{NoAnswer: true, Message: a.Hinted()}
	}
	return Verdict{Advice: a.Advice, Message: a.Message}
}
