package remediate

import "github.com/aws/aws-sdk-go-v2/service/ec2"

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
	switch a.class {
	case created, exists, mismatch:
		return Verdict{Allowed: true}
	case noResource:
		return Verdict{NoResource: true, Message: a.message}
	case retry:
		return Verdict{NoAnswer: true, Message: a.hinted()}
	}
	return Verdict{Advice: a.advice, Message: a.message}
}
