package scopes

import (
	"context"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// OnRefusedEnvironment has stale called whenever AWS refuses the credentials of a cfg
// made by Base that came from the environment of this process, which can't be read again. A
// refused AssumeRole counts like any other call. Perhaps only one service or Region refuses
// them: see RefusedEverywhere. Any goroutine may call stale, each time that loading brought
// the same credentials again; stale must not block. Call OnRefusedEnvironment before the
// first call to AWS with cfg.
func OnRefusedEnvironment(cfg aws.Config, stale func()) { sourceOf(cfg).onStale = stale }

// drop loads credentials again, because a client can't use the refused ones; why is the
// reason. It reports whether there are other credentials now.
func (s *source) drop(ctx context.Context, refused aws.Credentials, client, why string) bool {
	if s.turn.Acquire(ctx, 1) != nil {
		return false
	}
	defer s.turn.Release(1)
	if c, err := s.current(ctx); err == nil && !same(c, refused) {
		return true // another call has loaded them
	}
	if s.load == nil || !s.pauses.start(client) {
		return false
	}
	p, c, err := s.reload(ctx)
	if err != nil {
		s.pauses.failed(client)
		if ctx.Err() == nil {
			s.log.Warn(why+", and they can't be loaded again; trying again", "from", refused.Source, "error", withoutSecrets(err))
		}
		return false
	}
	if same(c, refused) {
		if s.pauses.failed(client) == 0 {
			s.log.Warn(why+", and their source still has the same: put new ones there. What came from the environment, or as a copy of systemd's (LoadCredential=), is read at a start only: restart then", "from", refused.Source)
		}
		if s.onStale != nil && why == refusedByAWS && refused.Source == config.CredentialsSourceName {
			s.onStale()
		}
		return false
	}
	s.replace(p)
	level := slog.LevelInfo
	if s.pauses.isFutile(client) { // a Region that refuses everybody does so each minute
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, why+"; they were loaded again", "from", c.Source)
	return true
}

// find looks for credentials again, because there were none in this generation. It
// reports whether this call, or another one, has found some.
func (s *source) find(ctx context.Context, generation uint64) bool {
	const client = "" // all clients
	if s.turn.Acquire(ctx, 1) != nil {
		return false
	}
	defer s.turn.Release(1)
	if s.generation() != generation {
		return true
	}
	if !s.pauses.start(client) {
		return false
	}
	p, _, err := s.reload(ctx)
	if err != nil {
		s.pauses.failed(client)
		return false
	}
	s.pauses.accepted(client)
	s.replace(p)
	return true
}

// replace has calls signed with the credentials of p from now on.
func (s *source) replace(p aws.CredentialsProvider) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provider, s.loaded = p, s.loaded+1
}

// reload returns a new provider and its credentials.
func (s *source) reload(ctx context.Context) (p aws.CredentialsProvider, c aws.Credentials, err error) {
	if p, err = s.load(ctx); err == nil {
		c, err = p.Retrieve(ctx)
	}
	return p, c, err
}

func same(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}
