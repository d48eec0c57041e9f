package millpond_test

import (
	"context"
	"fmt"
	"log"

	"github.com/millpond/millpond/sdk/go"
)

// Prints the log of the last attempt at a task, until the attempt is over.
func ExampleClient_Logs() {
	client, err := millpond.NewClient("http://127.0.0.1:8085", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := follow(context.Background(), client, "00000000-0000-7000-8000-000000000000"); err != nil {
		log.Print(err)
	}
}

func follow(ctx context.Context, client *millpond.Client, taskID string) error {
	for entry, err := range client.Logs(ctx, taskID, &millpond.LogOptions{Follow: true}) {
		if err != nil {
			return err
		}
		fmt.Println(millpond.Name(entry.GetLevel()), entry.GetMessage())
	}
	return nil
}
