package main

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/configs"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/scopes"
)

// anyRegion is asked for a bucket's Region where no Region is set.
const anyRegion = "us-east-1"

// buckets opens the buckets that replay reads. It reads the configuration and the credentials
// when the first one is opened: files need none.
type buckets struct {
	app   *app
	owner string // --bucket-owner

	loaded bool // the rest is set
	conf   configs.Config
	base   aws.Config
}

// open returns a bucket, to be read with the credentials of the person who runs the command. The role
// in log_files.buckets is for the daemon, which lists nothing; the owner there is checked here too.
func (b *buckets) open(ctx context.Context, name string) (*recordsource.Bucket, error) {
	if !b.loaded {
		var err error
		// The SDK's warnings would come while results are printed.
		if b.conf, b.base, err = b.app.configAndAWS(ctx, needs{}, nil); err != nil {
			return nil, err
		}
		b.loaded = true
	}
	cfg, owner := b.base, b.owner
	for _, known := range b.conf.LogFiles.Buckets {
		if known.Name == name {
			owner = cmp.Or(owner, known.Owner)
			break
		}
	}
	cfg.Region = cmp.Or(cfg.Region, anyRegion)
	api := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	partition := func(ctx context.Context) string { return scopes.LikelyPartition(ctx, cfg) }
	return &recordsource.Bucket{API: api, Name: name, Owner: owner, Partition: partition}, nil
}
