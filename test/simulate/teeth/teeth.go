package main

// tooth breaks one promise.
type tooth struct {
	name    string
	patches []patch
}

// patch replaces a text that is in a file exactly once.
type patch struct{ file, old, new string }

var teeth = []tooth{
	{"I1 acknowledged first", []patch{{"watcher/process.go",
		`	d := decode(c)
`, `	d := decode(c)
	w.deleteOnce(ctx, []*string{m.ReceiptHandle})
`}}},
	{"I1 alert outside the commit", []patch{{"remediate/deletion.go",
		`	return true, a.AddTo(tx)
`, `	*tx.late = append(*tx.late, a)
	return true, nil
`}, {"remediate/intake.go",
		`	"flowkeeper/internal/detection"
`, `	"flowkeeper/alert"
	"flowkeeper/internal/detection"
`}, {"remediate/intake.go",
		`	err := in.store.at(now).update(ctx, func(tx scopeTx) error {
		deletions = nil
`, `	var late []alert.Alert
	err := in.store.at(now).update(ctx, func(tx scopeTx) error {
		deletions, late, tx.late = nil, nil, &late
`}, {"remediate/intake.go",
		`	if err != nil {
		return err
	}
	for _, f := range fs {
		if f.Kind == detection.TornDown {
`, `	for _, a := range late {
		if err == nil {
			err = in.store.update(ctx, func(tx scopeTx) error { return a.AddTo(tx) })
		}
	}
	if err != nil {
		return err
	}
	for _, f := range fs {
		if f.Kind == detection.TornDown {
`}, {"remediate/scope_store.go",
		`type scopeTx struct {
`, `type scopeTx struct {
	late *[]alert.Alert
`}, {"remediate/scope_store.go",
		`	"flowkeeper/inventory"
`, `	"flowkeeper/alert"
	"flowkeeper/inventory"
`}}},
	{"I2 trusted event", []patch{{"remediate/incident/decide.go",
		`notObserved, stillThere, `, `notObserved, `}}},
	{"I4 no ClientToken", []patch{{"remediate/incident/create.go",
		`		ClientToken:             aws.String(token),
`, ``}}},
	{"I4 a group that changed is sent at once", []patch{{"remediate/incident/sharing.go",
		`	if i.Call.showsBy(c.Policy).After(observed) {`, `	if false {`}}},
	{"I4 IDs matched by their place", []patch{{"remediate/create.go",
		`	a.Made = r.made(call, ids)
`, `	a.Made = map[string]inventory.FlowLog{}
	for n, id := range ids {
		i := g.Incidents[n]
		a.Made[i.ResourceID] = inventory.FlowLog{ID: id, Scope: i.Scope, Settings: incident.Replacement(i)}
	}
`}}},
	{"I2 an excuse used twice", []patch{{"remediate/incident/observation.go",
		`		row.Excuses = t.FlowLogID
		t.c.putRowAndNotice(row)
`, `		t.c.putRowAndNotice(row)
`}}},
	{"I4 by hand what AWS does not show yet", []patch{{"remediate/incident/by_hand.go",
		`	return row.State == inventory.Live && !row.Imported && h.c.Policy`, `	return row.Imported && h.c.Policy`}}},
	{"I4 tokens of public values", []patch{{"remediate/incident/token.go",
		`	mac := hmac.New(sha256.New, []byte(k))
`, `	mac := hmac.New(sha256.New, nil)
`}}},
	{"I4 a random token that is not on disk", []patch{{"remediate/incident/observation.go",
		`		t.RandomToken, t.MismatchAt = t.c.randomToken(t.Incident), time.Time{}
`, `		t.RandomToken, t.MismatchAt = "random", time.Time{}
`}, {"remediate/create.go",
		`incident.CreateInput(i, r.store.policy.TokenKey.Token(i))`, `incident.CreateInput(i, r.token(i))`}, {"remediate/create.go",
		`// create calls`, `func (r restorer) token(i incident.Incident) string {
	if i.RandomToken != "" {
		return incident.TokenKey(r.store.now().String()).Token(incident.Incident{Keyed: true})
	}
	return r.store.policy.TokenKey.Token(i)
}

// create calls`}}},
	{"I4 a used token is waited for", []patch{{"remediate/incident/decide.go",
		`const tokenDoubt = 15 * time.Second`, `const tokenDoubt = 2 * time.Minute`}}},
	{"I4 a random token at once", []patch{{"remediate/incident/decide.go",
		`const tokenDoubt = 15 * time.Second`, `const tokenDoubt = time.Second`}}},
	{"a used token in silence", []patch{{"remediate/incident/answer.go",
		`		tokenObstacle(t.answer).blockUntil(t.transition, t.NextAttemptAt)
	}
}`, `		t.LastError = t.answer.Message
		t.put()
	}
}`}}},
	{"a used token forgotten", []patch{{"remediate/incident/answer.go",
		`	if a.isUnseen(after) {
`, `	if after.Failure != nil && a.AsksToObserve() {
`}}},
	{"a used token of a shared call in silence", []patch{{"remediate/incident/creation_answer.go",
		`	case a.Class == TokenMismatch:
		return otherToken
`, ``}}},
	{"I2 tags never completed", []patch{{"remediate/incident/replacement.go",
		`		t.MissingTags = missingTags(t.Frozen.Tags, f.Tags)
`, `		t.MissingTags = nil
`}, {"remediate/incident/verify.go",
		`	missing := missingTags(t.Frozen.Tags, f.Tags)
`, `	missing := missingTags(nil, nil)
`}}},
	{"I2 an attacker's flow log", []patch{{"remediate/incident/found.go",
		`		held := r.MayHold() && !to.Trusted && !c.Policy.lists(f.Destination(c.Scope))
`, `		held := false
`}}},
	{"I5 no tombstone", []patch{{"remediate/incident/transition.go",
		`		row.State, row.GoneAt = inventory.Gone, t.c.Now
`, ``}, {"remediate/incident/drift.go",
		`	row.State, row.GoneAt = inventory.Gone, c.Now
	c.putRowAndNotice(row)
`, ``}}},
	{"I5 partial listing believed", []patch{{"inventory/refresh.go",
		`	if err != nil {
		return nil, false, fmt.Errorf("list`, `	if err != nil && d.next.NextToken != nil { // the listing ends with the page before
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list`}, {"inventory/refresh.go",
		`	lost, err = absent(ctx, d.listing.Scope, d.api, rows)
`, `	lost = rows
`}}},
	{"I5 revived by a stale page", []patch{{"remediate/incident/found.go",
		`	case row.Imported && !hasJustGone(row, at, c.Policy):`, `	case row.Imported && !hasJustGone(row, at, c.Policy), !row.Imported && row.State == inventory.Gone:`}, {"internal/store/snapshot.go",
		`OR f.state <> 'gone' AND f.digest`, `OR f.state = 'gone' OR f.digest`}}},
	{"I6 lineage forgotten", []patch{{"remediate/incident/replacement.go",
		`	t.putReplacement(f)
	text := "recreated`, `	text := "recreated`}}},
	{"no refresh after an attack", []patch{{"remediate/remediate.go",
		`	return r.refresh(ctx, parts, sparing{parts.client})
`, `	_ = sparing{parts.client}
	return inventory.Counts{}, nil
`}}},
	{"drift alerted once decided", []patch{{"remediate/incident/event.go",
		`NotifyDriftAfter = 25 * time.Second`, `NotifyDriftAfter = 25 * time.Hour`}}},
	{"dark in silence", []patch{{"remediate/incident/overdue.go",
		`	return i.darkSince().Add(OverdueAfter)
}`, `	return time.Time{}
}`}}},
	{"a decoy in silence", []patch{{"remediate/incident/case.go",
		`		row.DecoyNotice = decoyNotice(c.place(row.ResourceID), row)`, `		_ = decoyNotice(c.place(row.ResourceID), row)`}}},
	{"attempts before deletions", []patch{{"alert/urgency.go",
		`	case Attempt, Tamper:
		return true
`, `	case Attempt, Tamper:
		return false
`}}},
	{"repeated without a bound", []patch{{"remediate/repeat/decide.go",
		`	if found && c.Severity <= own.Mark {`, `	if found && c.Severity < 0 {`}}},
	{"resolved before it rings", []patch{{"alert/urgency.go",
		`	return a.DeletedAt != nil && a.Time.Sub(a.DeletedAt.Time) > Late || a.namesUnknown()`, `	return false`}}},
	{"gone by two answers apart", []patch{{"remediate/incident/answer.go",
		`		t.NotFoundAt = time.Time{} // two refusals in a row, and nothing between them
`, ``}}},
	{"refused credentials kept", []patch{{"internal/scopes/middleware.go",
		`	if !s.drop(ctx, used, client, why) || request.RewindStream() != nil {`, `	if used.AccessKeyID != "" {`}}},
	{"the records of a log file are not handed over", []patch{{"watcher/files.go",
		`	h.some = true
	return h.handle(m)
`, `	h.some = true
	return nil
`}}},
	{"records of an account that has left", []patch{{"remediate/findings.go",
		`		case !configured:
`, `		case !configured && (s.Account != "111122223333" || s.Region != "eu-west-1"):
`}}},
	{"I13 wrong credentials believed", []patch{{"internal/scopes/scopes.go",
		`	if verdict != nil {
		return aws.Credentials{}, verdict
	}
`, ``}}},
}
