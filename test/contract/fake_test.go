package contract_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

// fakeBackend is the fake AWS of this repository, called in process.
type fakeBackend struct {
	world  *fakeawstest.World
	client *http.Client
	last   atomic.Int64 // number in the IDs of resources
}

func newFakeBackend() *fakeBackend {
	w := fakeawstest.New(fakeawstest.Options{})
	return &fakeBackend{world: w, client: w.HTTPClient()}
}

func TestFake(t *testing.T) {
	t.Parallel()
	runContract(t, newFakeBackend(), fakeSkips())
}

// endpoint has an address that no client connects to.
func (b *fakeBackend) endpoint() string         { return "https://aws.invalid" }
func (b *fakeBackend) httpClient() *http.Client { return b.client }

func (b *fakeBackend) network(_ *testing.T, e *env) network {
	add := func(prefix string) string {
		id := fmt.Sprintf("%s-%017x", prefix, b.last.Add(1))
		b.world.AddResource(e.account, region, id)
		return id
	}
	return network{vpc: add("vpc"), subnet: add("subnet"), eni: add("eni")}
}

func (b *fakeBackend) removeNetwork(_ *testing.T, e *env, n network) {
	for _, id := range []string{n.eni, n.subnet, n.vpc} {
		b.world.RemoveResource(e.account, region, id)
	}
}

func (b *fakeBackend) logGroup(_ *testing.T, e *env, name string) {
	b.world.AddDestination("arn:aws:logs:" + region + ":" + e.account + ":log-group:" + name)
	b.world.AddDeliveryRole(e.role())
}

func (b *fakeBackend) bucket(_ *testing.T, e *env, name string) {
	b.world.AddBucket(region, name)
	b.world.AddDestination("arn:aws:s3:::" + name)
}

func (b *fakeBackend) assumable(_ *testing.T, roleARN, externalID string) {
	b.world.AddRole(roleARN, externalID)
}
