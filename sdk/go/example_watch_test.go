package millpond_test

import (
	"context"
	"fmt"
	"log"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// Prints what happens in a batch.
func ExampleClient_Watch() {
	client, err := millpond.NewClient("http://127.0.0.1:8085", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := watch(context.Background(), client, "00000000-0000-7000-8000-000000000000"); err != nil {
		log.Print(err)
	}
}

func watch(ctx context.Context, client *millpond.Client, batchID string) error {
	request := &millpondv1.WatchEventsRequest{Filter: &millpondv1.EventFilter{BatchIds: []string{batchID}}, Snapshot: true}
	for message, err := range client.Watch(ctx, request, nil) {
		if err != nil {
			return err // the context has ended, or what repeating cannot mend, such as CURSOR_EXPIRED
		}
		for _, event := range message.GetEvents().GetEvents() {
			fmt.Println(event.GetKind(), millpond.Name(event.GetTaskStatusChanged().GetTo()))
		}
	}
	return nil
}
