package millpond_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"syscall"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// Creates a graph of two tasks and works on it, until the process is told to stop.
func Example() {
	if err := run(context.Background()); err != nil {
		explain(err)
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := millpond.NewClient("http://127.0.0.1:8085", nil)
	if err != nil {
		return err
	}
	defer client.Close()

	// A graph: align waits for fetch and reads what it produced.
	graph := millpond.NewGraph(&millpondv1.NewBatch{Name: "sample 7"})
	fetch := graph.Task("fetch", "download", &millpond.TaskOptions{Input: map[string]any{"sample": 7}})
	graph.Task("align", "bwa", &millpond.TaskOptions{After: []millpond.TaskRef{fetch}})
	created, err := client.Create(ctx, graph)
	if err != nil {
		return err
	}
	fmt.Println("batch", created.GetBatch().GetBatchId())

	// A worker: what a handler returns is the task's output, its error the task's failure.
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	worker, err := millpond.NewWorker(client, &millpond.WorkerOptions{StopSignals: stops})
	if err != nil {
		return err
	}
	worker.Handle("download", func(ctx context.Context, task *millpond.Task) (any, error) {
		input, err := millpond.Input[struct{ Sample int }](task)
		return map[string]string{"path": fmt.Sprintf("/data/%d", input.Sample)}, err
	})
	worker.Handle("bwa", func(ctx context.Context, task *millpond.Task) (any, error) {
		fetched, err := millpond.ParentOutput[struct{ Path string }](task, "fetch")
		task.Logger().Info("aligned", "path", fetched.Path)
		return nil, err
	})
	return worker.Run(ctx)
}

func explain(err error) {
	var failure *millpond.Error
	if errors.As(err, &failure) && failure.Reason == millpondv1.ErrorReason_ERROR_REASON_TASK_NOT_FOUND {
		fmt.Println("gone:", failure.Metadata["task_id"])
	}
}
