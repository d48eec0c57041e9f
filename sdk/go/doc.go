// Package millpond is the Go SDK of Millpond, a task-graph orchestrator: typed clients of every service, a graph
// builder, a watch that survives broken connections, and a worker.
//
//	client, err := millpond.NewClient("http://127.0.0.1:8085", nil)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
//	graph := millpond.NewGraph(&millpondv1.NewBatch{Name: "sample 7"})
//	fetch := graph.Task("fetch", "download", &millpond.TaskOptions{Input: map[string]any{"sample": 7}})
//	graph.Task("align", "bwa", &millpond.TaskOptions{After: []millpond.TaskRef{fetch}})
//	created, err := client.Create(ctx, graph)
//
// The messages and services of the contract are in package millpondv1 (gen/millpond/v1).
package millpond

// Version is the version of this SDK.
const Version = "0.1.0"
