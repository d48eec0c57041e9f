package millpond

import (
	"context"
	"io"
	"iter"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/proto"
)

// UploadOptions says how a graph is cut into parts. The zero value is fine.
type UploadOptions struct {
	// RequestID makes the upload safe to repeat for 24 hours, by this program or the next, with the same tasks in parts of
	// the same size; "": a new one.
	RequestID string
	// PartSize is how many tasks one message has at most; 0, or more than 5,000: 5,000.
	PartSize int
}

const (
	largestPart = 5_000
	// largestPartBytes is well below the largest message that a server accepts by default, 16 MiB. A larger task travels
	// alone.
	largestPartBytes = 4 << 20
)

// Upload creates a graph that is too large for one CreateTasks call, all or none: it is sent in parts, and becomes
// visible at once when the last one has come. The answer has the batch and counts; ListTasks has the tasks. It is
// repeated as a unary call is, and has no deadline but the context's.
func (c *Client) Upload(
	ctx context.Context, graph *Graph, options *UploadOptions,
) (*millpondv1.UploadTasksResponse, error) {
	if options == nil {
		options = &UploadOptions{}
	}
	request, err := graph.Request()
	if err != nil {
		return nil, err
	}
	requestID := options.RequestID
	if requestID == "" {
		requestID = newUUID()
	}
	partSize := options.PartSize
	if partSize <= 0 || partSize > largestPart {
		partSize = largestPart
	}
	var answer *millpondv1.UploadTasksResponse
	err = c.repeater.run(ctx, func() (err error) {
		answer, err = c.uploadOnce(ctx, uploadParts(requestID, request, partSize))
		return err
	}, func() bool { return true })
	if err != nil {
		return nil, newError(err, c.address)
	}
	return answer, nil
}

func (c *Client) uploadOnce(
	ctx context.Context, parts iter.Seq[*millpondv1.UploadTasksRequest],
) (*millpondv1.UploadTasksResponse, error) {
	// Ends the stream when it is left before its end.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Tasks.UploadTasks(ctx)
	if err != nil {
		return nil, err
	}
	for part := range parts {
		// The end of the stream: why it has ended is in the answer.
		if err := stream.Send(part); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}

// uploadParts are the messages of an upload: the first says where to, each of the others holds some tasks.
func uploadParts(
	requestID string, request *millpondv1.CreateTasksRequest, partSize int,
) iter.Seq[*millpondv1.UploadTasksRequest] {
	first := &millpondv1.UploadTasksRequest{RequestId: requestID}
	switch target := request.GetTarget().(type) {
	case *millpondv1.CreateTasksRequest_NewBatch:
		first.Target = &millpondv1.UploadTasksRequest_NewBatch{NewBatch: target.NewBatch}
	case *millpondv1.CreateTasksRequest_BatchId:
		first.Target = &millpondv1.UploadTasksRequest_BatchId{BatchId: target.BatchId}
	}
	return func(yield func(*millpondv1.UploadTasksRequest) bool) {
		if !yield(first) {
			return
		}
		var part []*millpondv1.NewTask
		bytes := 0
		for _, task := range request.GetTasks() {
			taskBytes := proto.Size(task)
			if len(part) == partSize || len(part) > 0 && bytes+taskBytes > largestPartBytes {
				if !yield(&millpondv1.UploadTasksRequest{Tasks: part}) {
					return
				}
				part, bytes = nil, 0
			}
			part = append(part, task)
			bytes += taskBytes
		}
		if len(part) > 0 {
			yield(&millpondv1.UploadTasksRequest{Tasks: part})
		}
	}
}
