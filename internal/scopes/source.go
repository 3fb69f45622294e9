package scopes

import (
	"context"
	"log/slog"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/semaphore"
)

// source hands out one principal's credentials. Clients that sign with it report
// that AWS refuses them: then it loads the credentials again, from the disk, the
// instance or STS, and the call is repeated once with the new ones. A refused call
// had no effect, so it is safe to repeat.
//
// It is safe for concurrent use.
type source struct {
	// load makes a provider that has cached no credentials of the last one. nil: the
	// provider caches none.
	load     func(context.Context) (aws.CredentialsProvider, error)
	settings bool // load reads the settings of this machine, which may have credentials by now if they had none
	log      *slog.Logger

	onStale func() // see OnRefusedEnvironment; nil: not set

	turn   *semaphore.Weighted // held by the call that loads: another waits for it no longer than its own ctx
	pauses *pauses

	mu       sync.Mutex // guards all below
	provider aws.CredentialsProvider
	loaded   uint64 // how often loading gave new credentials
}

func newSource(p aws.CredentialsProvider, load func(context.Context) (aws.CredentialsProvider, error), log *slog.Logger) *source {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &source{provider: p, load: load, log: log, turn: semaphore.NewWeighted(1), pauses: newPauses()}
}

// sourceOf finds the source that a configuration signs with, or makes one for it.
func sourceOf(cfg aws.Config) *source {
	switch p := cfg.Credentials.(type) {
	case *source:
		return p
	case *verified:
		return p.inner
	}
	return newSource(cfg.Credentials, emptied(cfg.Credentials), nil)
}

// emptied returns source.load for credentials that are given: if they are cached, it empties the cache.
func emptied(given aws.CredentialsProvider) func(context.Context) (aws.CredentialsProvider, error) {
	cache, ok := given.(*aws.CredentialsCache)
	if !ok {
		return nil
	}
	return func(context.Context) (aws.CredentialsProvider, error) {
		cache.Invalidate()
		return cache, nil
	}
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

// generation grows each time that new credentials replace refused or missing ones.
func (s *source) generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded
}

// usedKey is the context's key of the credentials that an attempt of a call is
// signed with.
type usedKey struct{}
