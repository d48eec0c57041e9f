// Conformance is the Go SDK's runner of sdk/conformance: it does with the SDK what it is told, a JSON object per line
// on standard input, and answers on standard output. It judges nothing.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/millpond/millpond/sdk/go"
)

func main() {
	runner := newRunner(os.Stdout)
	err := runner.run(os.Stdin)
	runner.close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// op does one thing and answers what stands under "ok".
type op func(ctx context.Context, line json.RawMessage) (any, error)

// runner is what an op can see: everything that was opened, by its name.
type runner struct {
	ops     map[string]op
	clients registry[*millpond.Client]
	watches registry[*watch]
	workers registry[*worker]
	calls   registry[context.CancelFunc]

	answers  sync.Mutex
	encoder  *json.Encoder
	underWay sync.WaitGroup
}

func newRunner(out io.Writer) *runner {
	r := &runner{encoder: json.NewEncoder(out)}
	r.ops = map[string]op{
		"hello": hello, "client.open": r.openClient, "client.close": r.closeClient,
		"call": r.call, "cancel": r.cancel, "stream": r.stream, "graph": r.graph,
		"watch.open": r.openWatch, "watch.next": r.nextOfWatch, "watch.close": r.closeWatch, "logs": r.logs,
		"worker.open": r.openWorker, "worker.release": r.releaseWorker, "worker.state": r.stateOfWorker,
		"worker.stop": r.stopWorker,
	}
	return r
}

// run does what it reads, each op at once, up to the end of the input.
func (r *runner) run(in io.Reader) error {
	decoder := json.NewDecoder(in)
	for {
		var line json.RawMessage
		if err := decoder.Decode(&line); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var head struct {
			ID   json.RawMessage
			Op   string
			Call string
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return err
		}
		// Before the next line is read: that may be the cancel of this call.
		ctx, cancel := context.WithCancel(context.Background())
		if head.Op != "cancel" && head.Call != "" {
			r.calls.put(head.Call, cancel)
		}
		r.underWay.Add(1)
		go func() {
			defer r.underWay.Done()
			defer cancel()
			r.answer(head.ID, func() (any, error) {
				do, ok := r.ops[head.Op]
				if !ok {
					return nil, runnerError{fmt.Errorf("there is no op %q", head.Op)}
				}
				return do(ctx, line)
			})
		}()
	}
}

func (r *runner) answer(id json.RawMessage, do func() (any, error)) {
	answer := struct {
		ID    json.RawMessage `json:"id"`
		OK    any             `json:"ok,omitempty"`
		Error *errorAnswer    `json:"error,omitempty"`
	}{ID: id}
	if ok, err := do(); err != nil {
		answer.Error = describe(err)
	} else {
		answer.OK = ok
	}
	r.answers.Lock()
	defer r.answers.Unlock()
	if err := r.encoder.Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// close ends everything that was opened.
func (r *runner) close() {
	for _, each := range r.workers.all() {
		each.stop()
	}
	for _, each := range r.watches.all() {
		each.close()
	}
	for _, each := range r.clients.all() {
		each.Close()
	}
	r.underWay.Wait()
}

// none is the answer of an op that has nothing to say.
type none struct{}

func hello(context.Context, json.RawMessage) (any, error) {
	return map[string]string{"language": "go", "version": millpond.Version}, nil
}

// decoded is an op's line as what the op wants to know of it.
func decoded[T any](line json.RawMessage) (T, error) {
	var fields T
	if err := json.Unmarshal(line, &fields); err != nil {
		return fields, runnerError{err}
	}
	return fields, nil
}
