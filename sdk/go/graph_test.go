package millpond

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// requestOf is the request of a graph, compared as ProtoJSON.
func requestOf(t *testing.T, graph *Graph, want string) {
	t.Helper()
	got, err := graph.Request()
	if err != nil {
		t.Fatal(err)
	}
	wanted := &millpondv1.CreateTasksRequest{}
	if err := protojson.Unmarshal([]byte(want), wanted); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, wanted) {
		t.Errorf("the request is %s", protojson.Format(got))
	}
}

func TestAGraphNamesParentsByReferenceKeyAndID(t *testing.T) {
	graph := NewGraph(&millpondv1.NewBatch{Name: "sample 7"})
	fetch := graph.Task("fetch", "download", nil)
	graph.Task("align", "bwa", &TaskOptions{
		After: []TaskRef{fetch, Key("later").OnCompletion(), TaskID("id").OnFailure(), fetch.OnSuccess()},
	})
	if graph.Len() != 2 || graph.Err() != nil {
		t.Errorf("it has %d tasks, %v", graph.Len(), graph.Err())
	}
	requestOf(t, graph, `{"newBatch": {"name": "sample 7"}, "tasks": [
		{"key": "fetch", "name": "fetch", "kind": "download"},
		{"key": "align", "name": "align", "kind": "bwa", "dependencies": [
			{"key": "fetch"}, {"key": "later", "condition": "DEPENDENCY_CONDITION_COMPLETED"},
			{"taskId": "id", "condition": "DEPENDENCY_CONDITION_FAILURE"},
			{"key": "fetch", "condition": "DEPENDENCY_CONDITION_SUCCESS"}]}]}`)
}

func TestAGraphSaysAllThatATaskCanBe(t *testing.T) {
	graph := NewGraphIn("batch")
	graph.Task("a", "k", &TaskOptions{
		Name: "the first", UnmetPolicy: millpondv1.UnmetPolicy_UNMET_POLICY_SKIP,
		Metadata: struct {
			Tier string `json:"tier"`
		}{"gold"},
		Input: []any{1, 2.5, nil, "x"}, Priority: -3, ExpectedCount: proto.Int64(math.MaxInt64),
		StartTime:    time.Date(2100, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600)),
		StartTimeout: 1500 * time.Millisecond, InactivityTimeout: time.Minute, ExecutionTimeout: time.Hour,
		TotalTimeout: 24 * time.Hour,
		Retry: &RetryPolicy{
			MaxAttempts: 4, InitialBackoff: -1, Multiplier: 1.5, Increment: time.Second, MaxBackoff: time.Minute, Jitter: -1,
			Causes:            []millpondv1.FailureCause{millpondv1.FailureCause_FAILURE_CAUSE_REPORTED},
			NonRetryableCodes: []string{"BAD"},
		},
		Rules:          []*millpondv1.Rule{{Name: "one at a time"}},
		Dedupe:         []*millpondv1.DedupeMatcher{{Kind: "k"}},
		RequiredLabels: map[string]string{"gpu": "yes"},
		OnSuccess:      []*millpondv1.Webhook{{Url: "https://success"}},
		OnFailure:      []*millpondv1.Webhook{{Url: "https://failure"}},
		OnCancel:       []*millpondv1.Webhook{{Url: "https://cancel"}},
		Critical:       true, OnlyForDependents: true, FairnessKey: "tenant", FairnessWeight: 2,
	})
	graph.Task("b", "k", &TaskOptions{Input: json.RawMessage("null"), OnStart: &millpondv1.Webhook{Url: "https://start"}})
	graph.Task("c", "k", &TaskOptions{Join: true})
	requestOf(t, graph, `{"batchId": "batch", "tasks": [{
		"key": "a", "name": "the first", "kind": "k", "unmetPolicy": "UNMET_POLICY_SKIP", "metadata": {"tier": "gold"},
		"input": [1, 2.5, null, "x"], "priority": -3, "expectedCount": "9223372036854775807",
		"startTime": "2100-01-02T02:04:05.006Z", "startTimeout": "1.5s", "inactivityTimeout": "60s",
		"executionTimeout": "3600s", "totalTimeout": "86400s",
		"retry": {"maxAttempts": 4, "initialBackoff": "0s", "multiplier": 1.5, "increment": "1s", "maxBackoff": "60s",
			"jitter": 0, "retryCauses": ["FAILURE_CAUSE_REPORTED"], "nonRetryableCodes": ["BAD"]},
		"rules": [{"name": "one at a time"}], "dedupe": [{"kind": "k"}], "worker": {"requiredLabels": {"gpu": "yes"}},
		"onSuccess": [{"url": "https://success"}], "onFailure": [{"url": "https://failure"}],
		"onCancel": [{"url": "https://cancel"}], "critical": true, "onlyForDependents": true, "fairnessKey": "tenant",
		"fairnessWeight": 2},
		{"key": "b", "name": "b", "kind": "k", "input": null, "onStart": {"url": "https://start"}},
		{"key": "c", "name": "c", "kind": "k", "join": {}}]}`)
}

func TestAGraphThatCannotBeIsNotSent(t *testing.T) {
	for want, add := range map[string]func(*Graph){
		`"a" already`:      func(g *Graph) { g.Task("a", "k", nil); g.Task("a", "k", nil) },
		"input is no JSON": func(g *Graph) { g.Task("a", "k", &TaskOptions{Input: math.NaN()}) },
		"no JSON object":   func(g *Graph) { g.Task("a", "k", &TaskOptions{Metadata: 7}) },
		"exclude":          func(g *Graph) { g.Task("a", "k", &TaskOptions{Join: true, OnStart: &millpondv1.Webhook{}}) },
	} {
		graph := NewGraph(nil)
		add(graph)
		graph.Task("more", "k", nil)
		if err := graph.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it is refused with %v, not %q", err, want)
		}
		client := clientOf(t, "127.0.0.1:1", nil)
		if _, err := client.Create(t.Context(), graph); err != graph.Err() {
			t.Errorf("Create fails with %v", err)
		}
		if _, err := client.Upload(t.Context(), graph, nil); err != graph.Err() {
			t.Errorf("Upload fails with %v", err)
		}
	}
}

func TestMetadataOfANilMapAreNone(t *testing.T) {
	graph := NewGraph(nil)
	var none map[string]string
	graph.Task("a", "k", &TaskOptions{Metadata: none})
	requestOf(t, graph, `{"tasks": [{"key": "a", "name": "a", "kind": "k"}]}`)
}

func TestTasksWithoutAKeyAreNoDuplicates(t *testing.T) {
	graph := NewGraph(nil)
	graph.Task("", "k", &TaskOptions{Name: "one"})
	graph.Task("", "k", &TaskOptions{Name: "two"})
	requestOf(t, graph, `{"tasks": [{"name": "one", "kind": "k"}, {"name": "two", "kind": "k"}]}`)
}
