package incident

import "slices"

// WithSharing adds, to the incidents whose turn it is, those that may share a call with one of them, because
// one call restores them together. sharing reads the incidents of a CallKey, at most limit. WithSharing
// begins no further call once it has as many incidents as most; the next step takes the others.
func WithSharing(turns []Incident, most int, sharing func(key string, limit int) ([]Incident, error)) (due []Incident, err error) {
	read := map[string]bool{}
	for _, i := range turns {
		key := i.CallKey()
		if key == "" {
			due = append(due, i)
			continue
		}
		if read[key] || len(due) >= most {
			continue
		}
		read[key] = true
		some, err := sharing(key, most-len(due))
		if err != nil {
			return nil, err
		}
		due = append(due, some...)
		if !slices.ContainsFunc(some, func(o Incident) bool { return o.FlowLogID == i.FlowLogID }) {
			due = append(due, i) // the clock went back: sharing takes i for one that is due later
		}
	}
	return due, nil
}
