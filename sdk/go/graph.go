package millpond

import (
	"context"
	"fmt"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// Graph collects tasks for one CreateTasks or UploadTasks call. The first task that cannot be added (its key is
// taken, its input is no JSON) makes the graph fail: Err says so at once, and nothing is sent. It is for one
// goroutine.
type Graph struct {
	batch   *millpondv1.NewBatch
	batchID string
	tasks   []*millpondv1.NewTask
	keys    map[string]struct{}
	err     error
}

// TaskRef names a task that another one comes after: as [Graph.Task] answers it, by its key ([Key]), or an existing
// one by its id ([TaskID]). The task must succeed, unless OnCompletion or OnFailure says otherwise.
type TaskRef struct {
	key       string
	taskID    string
	condition millpondv1.DependencyCondition
}

// NewGraph begins a graph that becomes a new batch; nil: one without options.
func NewGraph(batch *millpondv1.NewBatch) *Graph {
	return &Graph{batch: batch, keys: map[string]struct{}{}}
}

// NewGraphIn begins a graph that an open batch grows by.
func NewGraphIn(batchID string) *Graph {
	return &Graph{batchID: batchID, keys: map[string]struct{}{}}
}

// Key names a task of the graph, or of the open batch that it grows, by its key; it may be added later.
func Key(key string) TaskRef {
	return TaskRef{key: key}
}

// TaskID names an existing task, of any batch.
func TaskID(id string) TaskRef {
	return TaskRef{taskID: id}
}

// OnSuccess is the same task, which must succeed: what holds without it, too.
func (r TaskRef) OnSuccess() TaskRef {
	return r.on(millpondv1.DependencyCondition_DEPENDENCY_CONDITION_SUCCESS)
}

// OnCompletion is the same task, which must have ended, in whatever way.
func (r TaskRef) OnCompletion() TaskRef {
	return r.on(millpondv1.DependencyCondition_DEPENDENCY_CONDITION_COMPLETED)
}

// OnFailure is the same task, which must have failed or been canceled.
func (r TaskRef) OnFailure() TaskRef {
	return r.on(millpondv1.DependencyCondition_DEPENDENCY_CONDITION_FAILURE)
}

func (r TaskRef) on(condition millpondv1.DependencyCondition) TaskRef {
	r.condition = condition
	return r
}

func (r TaskRef) dependency() *millpondv1.Dependency {
	if r.taskID != "" {
		return &millpondv1.Dependency{Parent: &millpondv1.Dependency_TaskId{TaskId: r.taskID}, Condition: r.condition}
	}
	return &millpondv1.Dependency{Parent: &millpondv1.Dependency_Key{Key: r.key}, Condition: r.condition}
}

// Task adds a task of a kind under a key that is unique in the graph, and answers a reference to it for the tasks that
// come after. Nil options are the defaults. What cannot be added is told by [Graph.Err].
func (g *Graph) Task(key, kind string, options *TaskOptions) TaskRef {
	if options == nil {
		options = &TaskOptions{}
	}
	_, isTaken := g.keys[key]
	task, err := newTask(key, kind, options)
	switch {
	case g.err != nil:
	case isTaken && key != "":
		g.err = fmt.Errorf("millpond: the graph has a task %q already", key)
	case err != nil:
		g.err = fmt.Errorf("millpond: task %q: %w", key, err)
	default:
		g.keys[key] = struct{}{}
		g.tasks = append(g.tasks, task)
	}
	return TaskRef{key: key}
}

// Len is the number of tasks so far.
func (g *Graph) Len() int {
	return len(g.tasks)
}

// Err is why the graph cannot be created; nil: nothing speaks against it.
func (g *Graph) Err() error {
	return g.err
}

// Request is the request for CreateTasks, or the error of the task that could not be added.
func (g *Graph) Request() (*millpondv1.CreateTasksRequest, error) {
	if g.err != nil {
		return nil, g.err
	}
	request := &millpondv1.CreateTasksRequest{Tasks: g.tasks}
	switch {
	case g.batchID != "":
		request.Target = &millpondv1.CreateTasksRequest_BatchId{BatchId: g.batchID}
	case g.batch != nil:
		request.Target = &millpondv1.CreateTasksRequest_NewBatch{NewBatch: g.batch}
	}
	return request, nil
}

// Create creates a graph of at most 10,000 tasks, all or none. It fails with what Request and CreateTasks fail with.
// Larger graphs go by [Client.Upload].
func (c *Client) Create(ctx context.Context, graph *Graph) (*millpondv1.CreateTasksResponse, error) {
	request, err := graph.Request()
	if err != nil {
		return nil, err
	}
	return c.Tasks.CreateTasks(ctx, request)
}
