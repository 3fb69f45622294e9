package scopes

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/internal/retry"
)

// source hands out one principal's credentials. Clients that sign with it report
// what AWS refuses: then it loads the credentials again, from the disk, the
// instance or STS, and the call is repeated once with the new ones. AWS did
// nothing for a caller that it refused, so the repeat doubles nothing.
//
// It is safe for concurrent use.
type source struct {
	// load makes a new provider, which knows nothing of the last one's credentials.
	// nil: the provider has no memory that could be dropped, or is a cache.
	load     func(context.Context) (aws.CredentialsProvider, error)
	settings bool // load reads what is set on this machine: where there were no credentials, there may be by now
	log      *slog.Logger
	now      func() time.Time

	turn turn // of whoever loads

	mu       sync.Mutex
	provider aws.CredentialsProvider
	loaded   uint64                // how often there were others than before
	latest   time.Time             // when load was last called
	futile   map[string]futileness // by client
	onStale  func()                // see OnRefusedEnvironment; nil: nobody asks
}

// turn is a lock of capacity 1 that nobody waits for longer than their own ctx.
type turn chan struct{}

// take reports false if ctx ends first; else leave must follow.
func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) leave() { <-t }

// futileness is how often in a row AWS refused a client's credentials although
// they had just been loaded, and when that was last.
type futileness struct {
	times int
	last  time.Time
}

// Between two loads of one source lies reloadPause at least. For a client whose
// new credentials are refused as well it doubles (futilePauses): a Region that is
// not enabled refuses everybody.
const (
	reloadPause = 5 * time.Second
	maxFutile   = 1024 // clients remembered
)

var futilePauses = retry.Backoff{First: reloadPause, Most: time.Minute}

func newSource(p aws.CredentialsProvider, load func(context.Context) (aws.CredentialsProvider, error), log *slog.Logger) *source {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &source{provider: p, load: load, log: log, now: time.Now, turn: make(turn, 1), futile: map[string]futileness{}}
}

// sourceOf finds the source that a configuration signs with, or makes one for it.
func sourceOf(cfg aws.Config) *source {
	switch p := cfg.Credentials.(type) {
	case *source:
		return p
	case *verified:
		return p.inner
	}
	return newSource(cfg.Credentials, nil, nil)
}

// OnClock returns cfg with credentials that are loaded again, where AWS refuses them,
// by another clock than the machine's: for one who moves the time.
func OnClock(cfg aws.Config, now func() time.Time) aws.Config {
	s := sourceOf(cfg)
	s.now = now
	cfg = cfg.Copy()
	cfg.Credentials = s
	return cfg
}

// OnRefusedEnvironment has stale called whenever AWS refuses the credentials of a
// cfg made by Base, and they came from the process's environment: that can't be
// read again. A refused AssumeRole counts as any other call. One service or Region
// may be all that refuses them, see RefusedEverywhere. stale is called by any
// goroutine, each time that loading brought the same again, and must not block.
func OnRefusedEnvironment(cfg aws.Config, stale func()) {
	s := sourceOf(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onStale = stale
}

// RefusedEverywhere reports whether AWS refuses the credentials of cfg, and not only
// some service, or a Region that is not enabled: STS answers whoever has valid ones.
func RefusedEverywhere(ctx context.Context, cfg aws.Config) bool {
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false
	}
	_, _, err = whoAmI(ctx, cfg)
	return Refused(err, c)
}

// Retrieve implements aws.CredentialsProvider.
func (s *source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	before := s.generation()
	c, err := s.current(ctx)
	if err != nil && s.settings && ctx.Err() == nil && s.find(ctx, before) {
		c, err = s.current(ctx)
	}
	if u, ok := ctx.Value(usedKey{}).(*aws.Credentials); ok && err == nil {
		*u = c
	}
	return c, err
}

func (s *source) current(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	p := s.provider
	s.mu.Unlock()
	c, err := p.Retrieve(ctx)
	return c, withoutSecrets(err)
}

// generation grows each time that others take the place of refused credentials.
func (s *source) generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded
}

// usedKey is the context's key of the credentials that an attempt of a call is
// signed with.
type usedKey struct{}

// signs returns cfg with clients that sign with p, which asks s, and report to s
// what AWS refuses.
func (s *source) signs(cfg aws.Config, p aws.CredentialsProvider) aws.Config {
	cfg = cfg.Copy()
	cfg.Credentials = p
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), s.install)
	return cfg
}

const reloads = "ReloadRefusedCredentials"

// install puts s into a client's stack, in the place of another source.
func (s *source) install(stack *middleware.Stack) error {
	m := middleware.FinalizeMiddlewareFunc(reloads, s.call)
	if _, ok := stack.Finalize.Get(reloads); ok {
		_, err := stack.Finalize.Swap(reloads, m)
		return err
	}
	return stack.Finalize.Insert(m, "Retry", middleware.After)
}

// call makes one attempt of a call, and a second one with other credentials where
// AWS refuses the first's.
func (s *source) call(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	attempt := func() (middleware.FinalizeOutput, middleware.Metadata, aws.Credentials, error) {
		var used aws.Credentials
		in.Request = request.Clone()
		out, meta, err := next.HandleFinalize(context.WithValue(ctx, usedKey{}, &used), in)
		return out, meta, used, withoutSecrets(err)
	}
	client := awsmiddleware.GetServiceID(ctx) + " " + awsmiddleware.GetRegion(ctx)
	out, meta, used, err := attempt()
	why := unfit(err, used)
	if why == "" {
		s.accepted(client, err)
		return out, meta, err
	}
	if !s.drop(ctx, used, client, why) || request.RewindStream() != nil {
		return out, meta, err
	}
	again, againMeta, used, err := attempt()
	if unfit(err, used) != "" {
		s.isFutile(client)
	} else {
		s.accepted(client, err)
	}
	return again, againMeta, err
}

const refusedByAWS = "AWS refuses these credentials"

// unfit says why other credentials are needed; empty: they are not. Those of
// another account AWS does not refuse: whoever put them there by mistake, and the
// right ones after that, must not have to restart the daemon (I13).
func unfit(err error, used aws.Credentials) (why string) {
	if _, wrong := errors.AsType[*WrongAccountError](err); wrong && used.AccessKeyID != "" {
		return "these credentials are of another account"
	}
	if Refused(err, used) {
		return refusedByAWS
	}
	return ""
}

// accepted notes that AWS took a client's credentials.
func (s *source) accepted(client string, err error) {
	if err != nil {
		return // who is throttled, or not reached, was not accepted for that
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.futile, client)
}

// isFutile notes that AWS refuses a client's credentials though they are new.
func (s *source) isFutile(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.futile) >= maxFutile {
		clear(s.futile)
	}
	s.futile[client] = futileness{s.futile[client].times + 1, s.now()}
}

// mayLoad reports whether enough time has passed to load again for a client, and
// takes the turn if so.
func (s *source) mayLoad(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	within := func(at time.Time, pause time.Duration) bool {
		age := now.Sub(at)
		return !at.IsZero() && age >= 0 && age < pause
	}
	f := s.futile[client]
	if within(s.latest, reloadPause) || within(f.last, futilePauses.Pause(f.times)) {
		return false
	}
	s.latest = now
	return true
}

// drop loads credentials again, because a client can do nothing with these; why
// says it. It reports whether there are others now.
func (s *source) drop(ctx context.Context, refused aws.Credentials, client, why string) bool {
	if !s.turn.take(ctx) {
		return false
	}
	defer s.turn.leave()
	if c, err := s.current(ctx); err == nil && !same(c, refused) {
		return true // another call has loaded them
	}
	p, err := s.reload(ctx, client)
	if p == nil && err == nil {
		return false
	}
	var c aws.Credentials
	if err == nil {
		c, err = p.Retrieve(ctx)
	}
	if err != nil {
		s.isFutile(client)
		if ctx.Err() == nil {
			s.log.Warn(why+", and they can't be loaded again; trying again", "from", refused.Source, "error", withoutSecrets(err))
		}
		return false
	}
	if same(c, refused) {
		if s.wasFutile(client) {
			s.log.Warn(why+", and their source still has the same: put new ones there. What came from the environment, or as a copy of systemd's (LoadCredential=), is read at a start only: restart then", "from", refused.Source)
		}
		if why == refusedByAWS && refused.Source == config.CredentialsSourceName {
			s.stale()
		}
		return false
	}
	s.mu.Lock()
	s.provider, s.loaded = p, s.loaded+1
	level := slog.LevelInfo
	if s.futile[client].times > 0 { // a Region that refuses everybody does so each minute
		level = slog.LevelDebug
	}
	s.mu.Unlock()
	s.log.Log(ctx, level, why+"; they were loaded again", "from", c.Source)
	return true
}

// find looks for credentials again where those of a generation can't be had. It
// reports whether some were found, by this call or by another.
func (s *source) find(ctx context.Context, generation uint64) bool {
	const client = "" // whoever asks
	if !s.turn.take(ctx) {
		return false
	}
	defer s.turn.leave()
	if s.generation() != generation {
		return true
	}
	if !s.mayLoad(client) {
		return false
	}
	p, err := s.load(ctx)
	if err == nil {
		_, err = p.Retrieve(ctx)
	}
	if err != nil {
		s.isFutile(client)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.futile, client)
	s.provider, s.loaded = p, s.loaded+1
	return true
}

// reload makes a provider without the refused credentials; nil: it is too early
// for that, or there is none.
func (s *source) reload(ctx context.Context, client string) (aws.CredentialsProvider, error) {
	cache, cached := s.provider.(*aws.CredentialsCache) // only drop writes it, and has the turn
	if s.load == nil && !cached || !s.mayLoad(client) {
		return nil, nil
	}
	if s.load != nil {
		return s.load(ctx)
	}
	cache.Invalidate()
	return cache, nil
}

// wasFutile notes a load that brought nothing new, and reports whether it is the
// client's first.
func (s *source) wasFutile(client string) (first bool) {
	s.mu.Lock()
	first = s.futile[client].times == 0
	s.mu.Unlock()
	s.isFutile(client)
	return first
}

// stale reports that the environment's credentials are refused.
func (s *source) stale() {
	s.mu.Lock()
	f := s.onStale
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

func same(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}
