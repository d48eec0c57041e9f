package millpond

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type uploadStreamServer = grpc.ClientStreamingServer[millpondv1.UploadTasksRequest, millpondv1.UploadTasksResponse]

func TestAnUploadIsCutIntoParts(t *testing.T) {
	large := strings.Repeat("x", largestPartBytes/2)
	for _, each := range []struct {
		inputs   []string
		partSize int
		want     []int
	}{
		{nil, 2, []int{0}},
		{[]string{"", "", ""}, 2, []int{0, 2, 1}},
		{[]string{"", large, large, large}, 10, []int{0, 2, 1, 1}},
		{[]string{large + large + large, ""}, 10, []int{0, 1, 1}},
	} {
		request := &millpondv1.CreateTasksRequest{Target: &millpondv1.CreateTasksRequest_BatchId{BatchId: "b"}}
		for index, input := range each.inputs {
			request.Tasks = append(request.Tasks, &millpondv1.NewTask{Key: fmt.Sprint(index), Name: input})
		}
		var sizes []int
		for part := range uploadParts("id", request, each.partSize) {
			if isFirst := len(sizes) == 0; isFirst != (part.GetRequestId() == "id") || isFirst != (part.GetBatchId() == "b") {
				t.Errorf("part %d is of %q in %q", len(sizes), part.GetRequestId(), part.GetBatchId())
			}
			sizes = append(sizes, len(part.GetTasks()))
		}
		if !slices.Equal(sizes, each.want) {
			t.Errorf("parts have %v tasks, not %v", sizes, each.want)
		}
	}
}

func TestAnUploadThatBreaksOffIsRepeatedWithItsRequestID(t *testing.T) {
	ids := make(chan string, 2)
	var count atomic.Int64
	server := serve(t, &tasksFake{upload: func(stream uploadStreamServer) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		ids <- first.GetRequestId()
		if len(ids) == 1 {
			return status.Error(codes.Unavailable, "restarting")
		}
		for {
			part, err := stream.Recv()
			if err == io.EOF {
				return stream.SendAndClose(&millpondv1.UploadTasksResponse{CreatedCount: count.Load()})
			} else if err != nil {
				return err
			}
			count.Add(int64(len(part.GetTasks())))
		}
	}}, nil, nil)
	graph := NewGraph(nil)
	for n := range 5 {
		graph.Task(fmt.Sprint(n), "k", nil)
	}
	answer, err := server.client(t, nil).Upload(within(t), graph, &UploadOptions{PartSize: 2})
	if err != nil || answer.GetCreatedCount() != 5 {
		t.Fatalf("it is %v, %v", answer, err)
	}
	if first, second := <-ids, <-ids; first != second || first == "" {
		t.Errorf("ids are %q and %q", first, second)
	}
}

func TestAnUploadThatIsRefusedSaysWhy(t *testing.T) {
	server := serve(t, &tasksFake{upload: func(stream uploadStreamServer) error {
		return refusal(codes.InvalidArgument, "GRAPH_HAS_CYCLE", "a -> a")
	}}, nil, nil)
	graph := NewGraph(nil)
	for n := range 5 {
		graph.Task(fmt.Sprint(n), "k", nil)
	}
	_, err := server.client(t, nil).Upload(within(t), graph, &UploadOptions{PartSize: 1, RequestID: "mine"})
	if ReasonOf(err) != millpondv1.ErrorReason_ERROR_REASON_GRAPH_HAS_CYCLE {
		t.Errorf("it failed with %v", err)
	}
}
