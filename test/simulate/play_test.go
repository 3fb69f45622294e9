// Package simulate plays attacks, faults and crashes on the real parts of Flowkeeper, and checks the promises of
// docs/invariants.md. One loop without goroutines drives everything from one seed. Only the loop moves the clock,
// and the real SDK calls the fake AWS in this process (internal/fakeaws). A seed that fails is printed, and replays
// exactly.
//
// The model:
//   - A play (play_test.go) is one run of one seed: a world (the fake AWS), one or two daemons that share a queue, and
//     people: who sets up flow logs, who attacks, who replaces flow logs, who restores by hand. At each step it makes one
//     of the moves in picks.
//   - A daemon (daemon_test.go) has the real parts without the goroutines that run them: the play calls the parts. Its
//     process is a mortal (mortal_test.go): it can die before or after any call to AWS, to a sink or to the store.
//   - The truth (truth_test.go) is what the play knows and the daemons do not: which flow logs should be there, and who
//     truly deleted, made or forged what. A target is a resource, a destination and a traffic type; a place is a target
//     without the traffic type.
//   - The commits (commits_test.go) are what a daemon has brought to disk, above all its alerts.
//
// The checks (functions named check…) compare the world and the commits with the truth:
//   - after each move: check. No target has two flow logs, and no daemon made a flow log that nobody had (I2, I4).
//   - at the moment from which a bound must hold (bounds_test.go, tokens_test.go, watch_test.go): for example, the alert of
//     a deletion is on disk before its message is acknowledged (I1).
//   - at the end, after heal has ended all faults and the daemons have nothing left to do: checkAtEnd. Each flow log is
//     back exactly once, and each loss was alerted.
//
// A flow log may stay away for a good reason, for example because it was released, or because Terraform replaced it
// (excuses_test.go). An excuse that is too wide hides a broken promise, so it is as narrow as the promise. The
// program in teeth breaks one promise at a time, and shows that the checks notice it.
package simulate

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	role    = "arn:aws:iam::111122223333:role/delivery"
	stalest = time.Minute // the oldest state that a DescribeFlowLogs shows; inventory.settle is longer

	terraform = "arn:aws:iam::" + account + ":user/terraform" // a rule waits for it
	janitor   = "arn:aws:iam::" + account + ":user/janitor"   // a rule ignores it
)

// failure says which check failed; as a panic it ends the run.
type failure string

// play is one run: a world, the daemons in it, and what the play knows of both (truth).
type play struct {
	random *rand.Rand
	tokens *rand.ChaCha8 // draws new ClientTokens
	doubt  *rand.Rand    // draws which commits return an error though they are on disk; nil: none
	trips  *rand.Rand    // draws when the account leaves the organisation and comes back; nil: it stays
	filing *rand.Rand    // draws which records are in which log file; nil: there are none
	hands  *rand.Rand    // draws what people restore by hand; nil: nothing
	now    time.Time
	dir    string
	log    *slog.Logger
	trace  *strings.Builder
	policy incident.Policy

	world     *fakeawstest.World
	regions   []string
	queue     string // URL
	arn       string
	own       fakeaws.Credentials
	foreign   fakeaws.Credentials
	attacker  *ec2.Client
	terraform *ec2.Client            // Terraform, for which a rule waits
	robot     *ec2.Client            // the role of CloudWatch's telemetry rules
	who       map[*ec2.Client]string // the principal of each client
	eve       *ec2.Client            // a principal that may delete nothing
	operator  *ec2.Client            // a person who restores by hand; nil: there is none
	daemons   []*daemon

	over          func() bool // reports that another play has failed, so that nobody needs the rest
	result        map[string]int
	allowsDoubles bool // AWS refuses no doubles, or only equal ones: see guardedByConfiguration
	holds         bool // a flow log that delivers to a new destination is held
	demandsName   bool // see demandsName
	steps         int
	broken        failure // how the run failed; kept here because the watcher recovers from a panic
	stormy        bool    // calls fail at random
	odds          fakeawstest.Odds
	down          bool                // the pager takes no alerts
	mixedUp       time.Time           // when credentials were last mixed up, or set right
	skew          time.Duration       // how wrong the daemons' clock is now
	leapt         bool                // the daemons' clock has been wrong by more than AWS's delay
	displaced     bool                // somebody has replaced a flow log by another one in the same place
	skewed        bool                // the daemons' clock has been wrong
	troubles      map[string]*trouble // by Region
	calling       *daemon             // the daemon whose call is under way
	commanding    bool                // a `flowkeeper restore` is under way
	amidst        bool                // people do something in the middle of what a daemon does
	disturbed     time.Time           // when a daemon last made a call that could meet a fault
	steals        int                 // of how many next creates somebody uses up the token first

	truth
}

func newPlay(seed uint64, dir string, daemons int, verbose bool) *play {
	p := &play{random: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), dir: dir, trace: &strings.Builder{}, truth: newTruth(),
		regions: []string{region, region2}[:1+seed%3/2], troubles: map[string]*trouble{},
		policy: incident.Policy{Rules: []incident.Rule{{Principal: terraform + "*", Action: incident.Wait, Wait: 15 * time.Minute}, {Principal: janitor, Action: incident.Ignore}}, ConsistencyWindow: 2 * time.Minute, VerifyAfter: 10 * time.Minute, DriftWait: 2 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute, TokenKey: "of this play",
			Destinations: []string{"arn:aws:s3:::bucket-*", "arn:aws:logs:*"}}} // lists each destination of the play, so that nothing is held
	p.tokens = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	if p.holds = seed%5 == 2; p.holds {
		p.policy.Destinations = nil
	}
	if seed%4 == 3 {
		p.doubt = rand.New(rand.NewPCG(seed, 1)) // a generator of its own, so that the other draws of this seed stay the same
	}
	if seed%5 == 4 {
		p.trips = rand.New(rand.NewPCG(seed, 2))
	}
	if seed%6 == 1 {
		p.filing = rand.New(rand.NewPCG(seed, 3))
	}
	p.log = slog.New(slog.DiscardHandler)
	if verbose {
		p.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: p.playTime}))
	}
	p.world = fakeawstest.New(fakeawstest.Options{Now: p.clock})
	p.world.Chaos(seed, fakeawstest.Odds{})
	p.world.Meet(p.refusalFor)
	p.world.PassDeadlines(p.hangs)
	p.world.SetPageSize(1 + p.random.IntN(5))
	p.allowsDoubles = p.random.IntN(2) == 0 && daemons == 1 // several daemons rely on AWS's guard for creates that share a call
	p.world.Configure(func(s *fakeawstest.EC2Settings) {
		s.MixedIDs, s.ExistsFails, s.FirstAnswer = p.random.IntN(2) == 0, p.random.IntN(2) == 0, p.random.IntN(2) == 0
	})
	p.world.AllowDuplicates(p.allowsDoubles)
	p.demandsName = demandsName(seed)
	if guardedByConfiguration(seed) { // a decoy may be there together with the true one, as without a guard
		p.allowsDoubles = true
		p.world.Configure(func(s *fakeawstest.EC2Settings) { s.Guard = fakeawstest.SameConfiguration })
		p.happened[configurationPlays]++
	}
	p.queue, p.arn = p.world.CreateQueue(account, region, "flowkeeper", nil)
	p.own, p.foreign = p.world.User(account, "flowkeeper", true), p.world.User("999999999999", "other", true)
	p.attacker, p.terraform, p.eve = p.client("mallory"), p.client("terraform"), p.client("eve")
	p.robot = p.robotClient()
	p.who = map[*ec2.Client]string{p.attacker: "mallory", p.terraform: terraform, p.robot: robot}
	p.world.Deny("eve", "DeleteFlowLogs")
	p.world.TrailWith(p.recorded)
	p.world.AddBucket(region, trailBucket)
	p.world.OwnBucket(trailBucket, account)
	p.plant()
	if restoresByHand(seed) {
		p.hands, p.operator = rand.New(rand.NewPCG(seed, 4)), p.client("operator")
		p.happened[byHandPlays]++
	}
	for n := range daemons {
		p.daemons = append(p.daemons, newDaemon(p, n))
	}
	return p
}

// guardedByConfiguration reports whether AWS, in a play, refuses only a flow log whose configuration equals that of
// an existing one. It is for plays of one daemon or two. No golden play has it: their traces are older.
func guardedByConfiguration(seed uint64) bool { return seed > goldens && seed%3 == 0 }

// demandsName reports whether, in a play, a service control policy refuses flow logs without the tag Name, which
// calls for several flow logs lack. No golden play has it: their traces are older.
func demandsName(seed uint64) bool { return seed > goldens && seed%7 == 2 }

// configurationPlays is the tally's name for the plays of guardedByConfiguration.
const configurationPlays = "plays where AWS compares the whole configuration"

// token is the randomness of a new ClientToken.
func (p *play) token() (b [32]byte) {
	p.tokens.Read(b[:]) //nolint:errcheck // it never fails
	return b
}

func (p *play) clock() time.Time { return p.now }

// daemonNow is the time by the daemons' clock.
func (p *play) daemonNow() time.Time { return p.now.Add(p.skew) }

// playTime writes the play's time into the log.
func (p *play) playTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		a.Value = slog.StringValue(p.now.Format("15:04:05.000"))
	}
	return a
}

// tick lets the time of one call pass: up to 20 ms.
func (p *play) tick() { p.now = p.now.Add(time.Duration(p.random.IntN(20)) * time.Millisecond) }

// inRandomOrder runs tasks one after the other, in an order that the seed decides.
func (p *play) inRandomOrder(_ int, tasks ...func() error) (first error) {
	p.random.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	for _, t := range tasks {
		if err := t(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// faulty prepares the world for a daemon's next call: the faults and, in a storm, how old the state is that a
// DescribeFlowLogs shows (another age for each call).
func (p *play) faulty(d *daemon) {
	p.calling = d
	if p.stormy || len(p.troubles) > 0 || d.wrongKeys {
		p.disturbed = p.now
	}
	p.world.SetOdds(p.odds)
	if p.stormy {
		p.world.SetConsistencyDelay(1 + time.Duration(p.random.Int64N(int64(stalest))))
	}
}

func (p *play) faultless() {
	p.world.SetOdds(fakeawstest.Odds{})
	p.world.SetConsistencyDelay(0)
}

func (p *play) must(err error) {
	if err != nil {
		p.fail("%v", err)
	}
}

func (p *play) fail(format string, args ...any) {
	p.broken = cmp.Or(p.broken, failure(fmt.Sprintf(format, args...)))
	panic(p.broken)
}

// say writes a line about a move into the trace.
func (p *play) say(format string, args ...any) {
	fmt.Fprintf(p.trace, "%s  %s\n", p.now.Format("15:04:05.000"), fmt.Sprintf(format, args...))
	p.log.Info("PLAY " + fmt.Sprintf(format, args...))
}

// run makes a number of moves, then lets everything heal, and checks the promises.
func (p *play) run(steps int) {
	p.refreshAll()
	for range steps {
		p.steps++
		p.pick()
		p.file()
		p.check()
		p.trip()
		p.byHand()
	}
	p.hands = nil // from now on the daemons are alone
	p.heal()
	p.checkAtEnd()
	p.checkPagersClosed()
	p.result = p.sum()
	if p.random.IntN(8) == 0 {
		p.deleteAll()
		p.heal()
		p.checkAtEnd()
		p.checkPagersClosed()
	}
}

func (p *play) end() {
	for _, d := range p.daemons {
		d.cancel()
		p.must(d.reader.Close())
		d.store.Close() //nolint:errcheck // the run is over
	}
}

func (p *play) anyDaemon() *daemon {
	d := p.daemons[p.random.IntN(len(p.daemons))]
	d.alive()
	return d
}

// picks are the moves of a play, each made as often as its weight.
var picks = []struct {
	name   string
	weight int
	do     func(*play)
}{
	{"receive", 20, func(p *play) { p.anyDaemon().receive() }},
	{"step", 20, func(p *play) { p.anyDaemon().step(p.anyScope()) }},
	{"deliver", 10, func(p *play) { p.anyDaemon().deliver() }},
	{"refresh", 6, func(p *play) { p.anyDaemon().refresh(p.anyScope()) }},
	{"rehearse", 2, func(p *play) { p.anyDaemon().rehearse(p.anyScope()) }},
	{"send a record", 16, func(p *play) { p.send(false) }},
	{"send a record twice", 3, func(p *play) { p.send(true) }},
	{"lose a record", 2, (*play).loseRecord},
	{"delete one", 6, func(p *play) { p.deleteSome(p.attacker, 1) }},
	{"delete many", 2, func(p *play) { p.deleteSome(p.attacker, 2+p.random.IntN(8)) }},
	{"delete as one who is waited for", 2, func(p *play) { p.deleteSome(p.terraform, 1+p.random.IntN(2)) }},
	{"replace", 3, (*play).replace},
	{"finish replacing", 6, (*play).finish},
	{"a telemetry rule makes one", 1, (*play).automate},
	{"a telemetry rule deletes one", 1, (*play).unmanage},
	{"insist", 1, (*play).deleteRepeatedly},
	{"release", 1, (*play).release},
	{"forge a record", 2, (*play).forge},
	{"stop the trail", 1, (*play).stopTrail},
	{"make a decoy", 2, (*play).decoy},
	{"make an equivalent", 2, (*play).equivalent},
	{"make another", 1, (*play).another},
	{"make one to a place of the attacker's", 1, (*play).sneak},
	{"tear down", 1, (*play).teardown},
	{"a moment", 10, func(p *play) { p.pass(time.Duration(p.random.Int64N(int64(5 * time.Second)))) }},
	{"a while", 4, func(p *play) { p.pass(time.Duration(p.random.Int64N(int64(3 * time.Minute)))) }},
	{"long", 1, func(p *play) { p.pass(time.Duration(p.random.Int64N(int64(time.Hour)))) }},
	{"until due", 8, (*play).untilDue},
	{"die soon", 5, func(p *play) { p.anyDaemon().edgesLeft = p.random.IntN(12) }},
	{"storm", 2, (*play).storm},
	{"calm", 3, (*play).calm},
	{"pager down or up", 2, func(p *play) { p.down = !p.down }},
	{"clock wrong or right", 1, (*play).setClockWrong},
	{"clock a little wrong", 1, (*play).nudgeClock},
	{"credentials wrong or right", 1, func(p *play) { d := p.anyDaemon(); d.mixUp(!d.wrongKeys) }},
	{"flood", 2, (*play).flood},
	{"trouble begins", 2, (*play).beginTrouble},
	{"trouble ends", 2, (*play).endTrouble},
	{"a night", 1, (*play).night},
	{"rotate the keys", 1, (*play).rotate},
	{"refresh after an attack", 6, (*play).watch},
	{"cut the events after a warning", 1, (*play).cutEvents},
	{"guess tokens", 1, (*play).guessTokens},
	{"use tokens beforehand", 2, (*play).useTokens},
	{"steal tokens", 2, (*play).stealTokens},
}

var weights = func() (sum int) {
	for _, x := range picks {
		sum += x.weight
	}
	return sum
}()

func (p *play) pick() {
	n := p.random.IntN(weights)
	for _, x := range picks {
		if n -= x.weight; n < 0 {
			p.say("%s", x.name)
			x.do(p)
			return
		}
	}
}

func (p *play) pass(d time.Duration) { p.now = p.now.Add(d) }

// untilDue lets time pass until a daemon has something to do, if that is within 20 minutes.
func (p *play) untilDue() {
	d := p.anyDaemon()
	if at := d.due().Add(-p.skew); at.After(p.now) && at.Sub(p.now) < 20*time.Minute {
		p.now = at
	}
}

// setClockWrong makes the daemons' clock wrong by hours or days, or right again. The clock stays right where only
// times can tell the truth: where AWS allows doubles, so that a leap looks like an old flow log; where a release
// ends by that clock; and where a decoy, or a replacement in the same place, must be told from what was there
// before a loss.
func (p *play) setClockWrong() {
	if !p.allowsDoubles && len(p.releases) == 0 && len(p.decoys) == 0 && !p.displaced {
		p.skewed, p.leapt = true, true
		p.skew = []time.Duration{0, 0, time.Hour, 10 * 24 * time.Hour, -time.Hour, -24 * time.Hour}[p.random.IntN(6)]
		p.say("  the clock is %s off", p.skew)
	}
}

// nudgeClock makes the daemons' clock wrong by a quarter of inventory.settle at most, so that it moves by half of
// inventory.settle at most, forward or back. That must change nothing of what is restored, whether AWS allows
// doubles or not, and whether there are decoys or not.
func (p *play) nudgeClock() {
	if !p.leapt && len(p.releases) == 0 {
		p.skewed = true
		p.skew = time.Duration(p.random.Int64N(int64(p.policy.ConsistencyWindow/2))) - p.policy.ConsistencyWindow/4
		p.happened["clock a little wrong"]++
		p.say("  the clock is %s off", p.skew)
	}
}

// storm lets calls fail at random until calm.
func (p *play) storm() {
	p.stormy = true
	p.odds = fakeawstest.Odds{Throttled: 0.2 * p.random.Float64(), Failed: 0.2 * p.random.Float64(), Lost: 0.1 * p.random.Float64()}
	if p.random.IntN(4) == 0 {
		p.odds.Failed = 0.7 // so that the SDK's retries fail, too
	}
}

func (p *play) calm() { p.stormy, p.odds = false, fakeawstest.Odds{} }

// heal ends all faults, and lets the daemons work until nothing is left to do.
func (p *play) heal() {
	p.say("heal")
	p.calm()
	clear(p.troubles)
	p.down, p.skew, p.steals = false, 0, 0
	for _, d := range p.daemons {
		d.edgesLeft = -1
		if d.wrongKeys {
			d.mixUp(false)
		}
		if d.alive(); d.away {
			d.comeBack()
		}
	}
	p.removeDecoys()
	for len(p.unfinished) > 0 {
		p.finish()
	}
	for len(p.records) > 0 {
		p.send(false)
	}
	if len(p.unfiled) > 0 {
		p.writeFile(len(p.unfiled))
	}
	end := p.now.Add(48 * time.Hour)
	for n, quiet := 0, 0; quiet < 3; n++ {
		p.bounded(n/10, "rounds")
		if p.now.After(end) {
			p.fail("not at rest after two days: %s", p.unrest())
		}
		p.work()
		p.closeReplaced()
		p.check()
		if p.unrest() == "" {
			quiet++
		} else {
			quiet = 0
		}
		next := p.now.Add(5 * time.Minute)
		for _, d := range p.daemons {
			if at := d.due(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		p.now = p.now.Add(max(time.Second, next.Sub(p.now)))
	}
}

// work does all that can be done now.
func (p *play) work() {
	for _, d := range p.daemons {
		d.alive()
		p.round(d)
	}
}

func (p *play) refreshAll() {
	for _, d := range p.daemons {
		for _, s := range p.scopes() {
			d.refresh(s)
		}
	}
}

// round lets one daemon do all that it can do now.
func (p *play) round(d *daemon) {
	for n := 0; d.receive() > 0; n++ {
		p.bounded(n, "receives")
	}
	for _, s := range d.scopes() {
		d.refresh(s)
		for n := 0; d.step(s) > 0; n++ {
			p.bounded(n, "steps")
		}
	}
	for n := 0; d.deliver(); n++ {
		p.bounded(n, "deliveries")
	}
}

// bounded fails a loop that goes on without end, and ends it if another play has failed.
func (p *play) bounded(n int, what string) {
	if n > 400 {
		p.fail("%s without end: %s", what, p.unrest())
	}
	if p.over != nil && p.over() {
		p.fail("given up")
	}
}

// unrest names something that is still to be done; empty: there is nothing.
func (p *play) unrest() string {
	if visible, inFlight := p.world.QueueDepth(p.arn); visible+inFlight > 0 {
		return fmt.Sprintf("%d messages in the queue", visible+inFlight)
	}
	for n, d := range p.daemons {
		for _, i := range d.unsettled() {
			return fmt.Sprintf("daemon %d: %s is %s %s (%s), next at %s", n, i.FlowLogID, i.State, i.Reason, i.Advice, i.NextAttemptAt)
		}
		if d.sender.TryNext(d.ctx) >= 0 {
			return fmt.Sprintf("daemon %d has alerts to deliver", n)
		}
		if d.repeated() > 0 {
			return fmt.Sprintf("daemon %d has not alerted of all that was repeated", n)
		}
	}
	return ""
}
