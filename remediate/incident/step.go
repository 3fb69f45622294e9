package incident

// Step is what a step of the restorer does about one incident.
type Step int

const (
	StepRecord Step = iota // no call: what was observed is recorded
	StepCreate             // CreateFlowLogs for it alone
	StepShare              // CreateFlowLogs, by a call that it may share: see Sharing.Share
	StepTag                // CreateTags: its replacement is there, and lacks tags
)

// StepFor returns a flow log's incident as the case has it, and what a step does about it after an
// observation of its resource.
func (c *Case) StepFor(id string, o Observation) (Incident, Step) {
	i, _ := c.Incident(id)
	replacement, there := o.FlowLogs[i.NewID]
	lacksTags, _ := i.LacksTags(c.Policy, c.Now)
	switch {
	case lacksTags && there && i.stillLacks(replacement):
		return i, StepTag
	case o.Failure != nil || !i.Pending() || c.decideAfter(i, o).Next != Create:
		return i, StepRecord
	case i.sharesCall():
		return i, StepShare
	}
	return i, StepCreate
}

// RecordObservation records what was observed for an incident for which a step makes no call (StepRecord). was is the
// incident at the beginning of the step, which decided what AWS was asked about. jitter, in [0, 1), spreads the next
// attempt after an observation that failed.
func (c *Case) RecordObservation(was Incident, o Observation, jitter float64) {
	switch id := was.FlowLogID; {
	case was.Terminal():
		c.unschedule(id)
	case o.Failure != nil:
		c.applyFailure(id, *o.Failure, jitter)
	case was.State == Restored:
		c.verify(id, o)
	default:
		c.applyObservation(id, o)
	}
}

// TakesKept reports whether an observation that was made while the record of the loss was committed may
// count: nothing was tried since, and AWS has not shown the flow log.
func TakesKept(i Incident) bool { return i.State == Open && i.TimesAlive == 0 && i.Call == nil }
