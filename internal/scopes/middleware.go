package scopes

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// signs returns a copy of cfg whose clients sign with p, which gets credentials from s.
// The clients report refused credentials to s.
func (s *source) signs(cfg aws.Config, p aws.CredentialsProvider) aws.Config {
	cfg = cfg.Copy()
	cfg.Credentials = p
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), s.install)
	return cfg
}

const reloads = "ReloadRefusedCredentials"

// install puts s into the middleware stack of a client. It replaces another source there.
func (s *source) install(stack *middleware.Stack) error {
	m := middleware.FinalizeMiddlewareFunc(reloads, s.call)
	if _, ok := stack.Finalize.Get(reloads); ok {
		_, err := stack.Finalize.Swap(reloads, m)
		return err
	}
	return stack.Finalize.Insert(m, "Retry", middleware.After)
}

// call makes one attempt of a call, and a second one with other credentials if AWS
// refuses those of the first.
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
		if err == nil { // another error, such as throttling, does not show that AWS accepts the credentials
			s.pauses.accepted(client)
		}
		return out, meta, err
	}
	if !s.drop(ctx, used, client, why) || request.RewindStream() != nil {
		return out, meta, err
	}
	again, againMeta, used, err := attempt()
	switch {
	case unfit(err, used) != "":
		s.pauses.failed(client)
	case err == nil:
		s.pauses.accepted(client)
	}
	return again, againMeta, err
}

const refusedByAWS = "AWS refuses these credentials"

// unfit returns why other credentials are needed; empty: they are not. AWS does not refuse
// credentials of another account. If somebody sets such credentials by mistake, and then the
// right ones, the daemon must use the right ones without a restart (I13).
func unfit(err error, used aws.Credentials) (why string) {
	if _, wrong := errors.AsType[*WrongAccountError](err); wrong && used.AccessKeyID != "" {
		return "these credentials are of another account"
	}
	if Refused(err, used) {
		return refusedByAWS
	}
	return ""
}
