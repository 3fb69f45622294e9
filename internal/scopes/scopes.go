package scopes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"golang.org/x/sync/semaphore"

	"flowkeeper/inventory"
)

// Options of Base.
type Options struct {
	Region      string                  // of the first calls; empty: as the SDK finds it
	EndpointURL string                  // empty: AWS
	Log         *slog.Logger            // of what the SDK says of itself, for debugging, and of credentials loaded again; nil: nothing
	Credentials aws.CredentialsProvider // nil: as the SDK finds them
	Now         func() time.Time        // of the pauses before refused credentials are loaded again; nil: time.Now
}

// Base returns the configuration of the AWS SDK that all clients start from.
func Base(ctx context.Context, o Options) (aws.Config, error) {
	log := logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		if o.Log != nil {
			o.Log.Debug("AWS SDK: "+fmt.Sprintf(format, args...), "class", string(class))
		}
	})
	fns := []func(*config.LoadOptions) error{config.WithLogger(log)} // for what the SDK logs while it loads the rest
	if o.Region != "" {
		fns = append(fns, config.WithRegion(o.Region))
	}
	if o.Credentials != nil {
		fns = append(fns, config.WithCredentialsProvider(o.Credentials))
	}
	cfg, err := config.LoadDefaultConfig(ctx, fns...)
	if err != nil {
		return cfg, fmt.Errorf("read the AWS settings of the environment: %w", err)
	}
	if cfg.HTTPClient == nil { // the SDK sets one only for settings like AWS_CA_BUNDLE
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	cfg.HTTPClient = plainBodies{cfg.HTTPClient}
	if o.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(o.EndpointURL)
	}
	credentials := newSource(cfg.Credentials, emptied(cfg.Credentials), o.Log)
	if o.Credentials == nil {
		credentials.settings = true
		credentials.load = func(ctx context.Context) (aws.CredentialsProvider, error) {
			again, err := config.LoadDefaultConfig(ctx, fns...) // reads the shared files again
			if err != nil {
				return nil, fmt.Errorf("read the AWS settings of the environment again: %w", err)
			}
			return again.Credentials, nil
		}
	}
	if o.Now != nil {
		credentials.pauses.now = o.Now
	}
	return credentials.signs(cfg, credentials), nil
}

// Regions returns the Regions of an account by the list of the configuration: if it is empty
// cfg's own, for [all] those that are enabled, else the list.
func Regions(ctx context.Context, cfg aws.Config, regions []string) ([]string, error) {
	if len(regions) == 0 {
		if cfg.Region == "" {
			return nil, errors.New("no Region is set: set aws.region, or inventory.regions")
		}
		return []string{cfg.Region}, nil
	}
	if !slices.Equal(regions, []string{AllRegions}) {
		return regions, nil
	}
	out, err := ec2.NewFromConfig(cfg).DescribeRegions(ctx, &ec2.DescribeRegionsInput{
		Filters: []types.Filter{{Name: aws.String("opt-in-status"), Values: []string{"opt-in-not-required", "opted-in"}}},
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range out.Regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names, nil
}

const identityTimeout = 20 * time.Second // of one GetCallerIdentity, its retries included

// whoAmI asks STS in cfg's Region for the account and the ARN of cfg's credentials.
func whoAmI(ctx context.Context, cfg aws.Config) (account, arn string, err error) {
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", err
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}

// verified returns credentials only after AWS has said that they act in the scope's account.
// So a client that signs with it makes no call with credentials of another account, which
// somebody may have mounted, rotated or exported by mistake (I13).
type verified struct {
	account string
	inner   *source
	base    aws.Config

	turn       *semaphore.Weighted // held by the call that asks AWS; guards what follows
	known      map[string]error    // by access key: nil, or *WrongAccountError
	generation uint64              // of the source that known is about
}

const maxKnown = 64 // access keys remembered; renewed roles bring a new one each hour

func newVerified(account string, inner *source, base aws.Config) *verified {
	return &verified{account: account, inner: inner, base: base, turn: semaphore.NewWeighted(1), known: map[string]error{}}
}

// Retrieve implements aws.CredentialsProvider. While another call asks AWS, it waits no longer
// than its ctx.
func (v *verified) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := v.inner.Retrieve(ctx)
	if err != nil {
		return c, err
	}
	if err := v.turn.Acquire(ctx, 1); err != nil {
		return aws.Credentials{}, fmt.Errorf("ask AWS whose credentials these are: %w", err)
	}
	defer v.turn.Release(1)
	if g := v.inner.generation(); g != v.generation {
		v.generation = g
		clear(v.known)
	}
	verdict, asked := v.known[c.AccessKeyID]
	if !asked {
		cfg := v.base.Copy()
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
		id, _, err := whoAmI(ctx, cfg)
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("ask AWS whose credentials these are: %w", err)
		}
		if id != v.account {
			verdict = &WrongAccountError{Want: v.account, Have: id}
		}
		if len(v.known) >= maxKnown {
			clear(v.known)
		}
		v.known[c.AccessKeyID] = verdict
	}
	if verdict != nil {
		return aws.Credentials{}, verdict
	}
	return c, nil
}

// Verify asks AWS whether Flowkeeper can act in an account: it assumes the role, and asks whose the
// credentials are. If they are another account's, it returns a *WrongAccountError (I13).
func (a Account) Verify(ctx context.Context, base aws.Config) (account, arn string, err error) {
	account, arn, err = whoAmI(ctx, a.Reach(base))
	switch {
	case err != nil:
		return "", "", Plain(err)
	case a.ID != "" && account != a.ID:
		return account, arn, &WrongAccountError{Want: a.ID, Have: account}
	}
	return account, arn, nil
}

// Partition asks AWS whose credentials these are, and returns the partition of that ARN: aws,
// aws-cn, aws-us-gov and others.
func Partition(ctx context.Context, base aws.Config) (string, error) {
	_, text, err := whoAmI(ctx, Account{}.Reach(base))
	if err != nil {
		return "", fmt.Errorf("ask AWS whose credentials these are: %w", Plain(err))
	}
	a, err := arn.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the partition of the credentials' ARN: %w", err)
	}
	return a.Partition, nil
}

// LikelyPartition is Partition; if AWS does not answer, it is the partition of base's Region.
func LikelyPartition(ctx context.Context, base aws.Config) string {
	p, err := Partition(ctx, base)
	if err != nil {
		return inventory.Partition(base.Region)
	}
	return p
}
