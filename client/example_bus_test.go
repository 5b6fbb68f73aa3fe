package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/client"
)

// A service that needs the answer at once sends a request. Lost connections and
// answers are its bus's affair: the command has one effect.
func ExampleBus_Do() {
	url, stop := exampleDeployment()
	defer stop()

	bus, err := client.ConnectBus(url) // with nats.UserCredentials and the like
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	added, err := bus.Do(ctx, "acme", client.AddPeer{
		Type: client.PeerMiCollab, Description: "Berlin",
		Hostname: new("uc.berlin.example"), PeerEnterpriseID: new("berlin"),
	}, client.Reason("New site"))
	fmt.Println(added.Command, added.Result, err)

	_, err = bus.Do(ctx, "acme", client.ChangePeerHostname{Peer: client.PeerID(added.ID), Hostname: "not a name"})
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Field)
	}
	// Output:
	// AddPeer accepted <nil>
	// invalid hostname
}

// A service that does not wait publishes, and may ask for the outcome later: it,
// or another one that knows the id.
func ExampleBus_Publish() {
	url, stop := exampleDeployment()
	defer stop()

	bus, err := client.ConnectBus(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	// An id that follows from what the service does makes a repeat harmless, also
	// one by another process after a crash.
	order := client.IdempotencyKey("order-4711")
	for range 2 {
		id, err := bus.Publish(ctx, "acme", client.DescribeEnterprise{Description: "Acme Ltd"}, order)
		fmt.Println("published", id, err)
	}

	outcome, err := bus.WaitOutcome(ctx, "acme", "order-4711")
	fmt.Println(outcome.Command, outcome.Result, len(outcome.Events), "event", err)
	// Output:
	// published order-4711 <nil>
	// published order-4711 <nil>
	// DescribeEnterprise accepted 1 event <nil>
}

// What is written against Commander works over HTTP and over NATS.
func ExampleCommander() {
	url, stop := exampleDeployment()
	defer stop()

	rename := func(ctx context.Context, c client.Commander) error {
		_, err := c.Do(ctx, "acme", client.DescribeEnterprise{Description: "Acme"})
		var unknown *client.UnknownError
		if errors.As(err, &unknown) {
			// It is perhaps in effect. The same call with its id tells, now or later:
			//   c.Do(ctx, "acme", …, client.IdempotencyKey(unknown.ID))
			return fmt.Errorf("to be repeated as %s: %w", unknown.ID, err)
		}
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	bus, err := client.ConnectBus(url) // or client.New("https://peering.example", client.WithToken(…))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bus.Close()
	fmt.Println(rename(ctx, bus))
	// Output: <nil>
}

// exampleDeployment is a deployment with the enterprise acme.
func exampleDeployment() (url string, stop func()) {
	d, err := deploy()
	if err != nil {
		panic(err)
	}
	bus, err := client.ConnectBus(d.url)
	if err != nil {
		panic(err)
	}
	defer bus.Close()
	_, err = bus.Do(context.Background(), "acme", client.RegisterEnterprise{
		Description: "Acme Inc", Domain: "acme.example", Server: client.Server{Hostname: "uc.acme.example", Version: "9.8"},
	})
	if err != nil {
		panic(err)
	}
	return d.url, func() {
		if err := d.close(); err != nil {
			panic(err)
		}
	}
}
