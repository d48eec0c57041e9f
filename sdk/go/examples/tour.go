// Tour creates a graph, works on it, watches it and reads a log: most of the SDK in one program. The server is that of
// MILLPOND_ADDRESS.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

func main() {
	if err := tour(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context) error {
	// snippet: connect
	client, err := millpond.NewClient(cmp.Or(os.Getenv("MILLPOND_ADDRESS"), "http://127.0.0.1:8085"), nil)
	if err != nil {
		return err
	}
	defer client.Close()
	// end: connect

	created, err := createGraph(ctx, client)
	if err != nil {
		return err
	}
	worker, err := newWorker(client)
	if err != nil {
		return err
	}
	defer worker.Stop()
	work := func() { go run(ctx, worker) }
	if err := watchBatch(ctx, client, created.GetBatch().GetBatchId(), work); err != nil {
		return err
	}
	if err := printLog(ctx, client, created.GetTasks()[0].GetTaskId()); err != nil {
		return err
	}
	return askForNothing(ctx, client)
}

func run(ctx context.Context, worker *millpond.Worker) {
	if err := worker.Run(ctx); err != nil {
		log.Print(err)
	}
}

// snippet: graph
func createGraph(ctx context.Context, client *millpond.Client) (*millpondv1.CreateTasksResponse, error) {
	graph := millpond.NewGraph(&millpondv1.NewBatch{Name: "tour"})
	fetch := graph.Task("fetch", "tour.fetch", &millpond.TaskOptions{Input: map[string]any{"sample": 7}})
	align := graph.Task("align", "tour.align", &millpond.TaskOptions{
		After: []millpond.TaskRef{fetch},
		Retry: &millpond.RetryPolicy{MaxAttempts: 3, InitialBackoff: 100 * time.Millisecond},
	})
	graph.Task("report", "tour.report", &millpond.TaskOptions{After: []millpond.TaskRef{align.OnCompletion()}})

	created, err := client.Create(ctx, graph)
	if err == nil {
		fmt.Printf("created %d tasks\n", len(created.GetTasks()))
	}
	return created, err
}

// end: graph

// snippet: worker
func newWorker(client *millpond.Client) (*millpond.Worker, error) {
	worker, err := millpond.NewWorker(client, &millpond.WorkerOptions{Slots: 10})
	if err != nil {
		return nil, err
	}
	worker.Handle("tour.fetch", func(_ context.Context, task *millpond.Task) (any, error) {
		input, err := millpond.Input[struct{ Sample int }](task)
		if err != nil {
			return nil, err
		}
		task.Logger().Info(fmt.Sprint("fetched sample ", input.Sample))
		return map[string]int{"reads": 1_000_000}, nil
	})
	worker.Handle("tour.align", func(_ context.Context, task *millpond.Task) (any, error) {
		if task.Attempt() == 1 {
			return nil, &millpond.TaskError{Message: "the node is busy", Code: "NODE_BUSY"}
		}
		fetched, err := millpond.ParentOutput[struct{ Reads int }](task, "fetch")
		return map[string]int{"aligned": fetched.Reads}, err
	})
	worker.Handle("tour.report", func(context.Context, *millpond.Task) (any, error) { return nil, nil })
	return worker, nil
}

// end: worker

// snippet: watch
func watchBatch(ctx context.Context, client *millpond.Client, batchID string, work func()) error {
	filter := &millpondv1.EventFilter{BatchIds: []string{batchID}}
	request := &millpondv1.WatchEventsRequest{Filter: filter, Snapshot: true}
	for message, err := range client.Watch(ctx, request, nil) {
		if err != nil {
			return err
		}
		if message.GetSnapshotDone() != nil {
			work()
		}
		for _, event := range message.GetEvents().GetEvents() {
			if task := event.GetTaskStatusChanged(); task.GetTo() == millpondv1.TaskStatus_TASK_STATUS_SUCCESS {
				fmt.Printf("%s: SUCCESS\n", event.GetKind())
			}
			if batch := event.GetBatchStatusChanged(); batch != nil {
				fmt.Printf("batch: %s\n", millpond.Name(batch.GetTo()))
				return nil
			}
		}
	}
	return nil
}

// end: watch

// snippet: logs
func printLog(ctx context.Context, client *millpond.Client, taskID string) error {
	for entry, err := range client.Logs(ctx, taskID, nil) {
		if err != nil {
			return err
		}
		fmt.Println(millpond.Name(entry.GetLevel()), entry.GetMessage())
	}
	return nil
}

// end: logs

// snippet: errors
func askForNothing(ctx context.Context, client *millpond.Client) error {
	_, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{TaskId: "00000000-0000-7000-8000-000000000000"})
	var failure *millpond.Error
	if !errors.As(err, &failure) {
		return err
	}
	fmt.Println(millpond.Name(failure.Reason))
	return nil
}

// end: errors
