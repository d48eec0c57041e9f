package millpond

import (
	"crypto/tls"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// ClientOptions says how a client speaks to its server. The zero value is fine.
type ClientOptions struct {
	// Token is sent as "authorization: Bearer …" with every call that brings no authorization of its own. Over http:// it
	// travels unprotected.
	Token string
	// Timeout is the deadline of a unary call whose context has none; 0: 30 s, negative: none. A call that waits for
	// something (wait_timeout) gets its wait on top. Streams have no deadline.
	Timeout time.Duration
	// DisableRetry makes each call once only. Otherwise what is safe to repeat is made up to five times while the
	// server is away or asks for it.
	DisableRetry bool
	// TLS is how an https:// address is reached; nil: with the system's certificates.
	TLS *tls.Config
	// DialOptions are added to those of the SDK, and stronger: interceptors, a dialer, a stats handler.
	DialOptions []grpc.DialOption
}

// Client holds a typed client for each service, all over the same connection. It may be used by many goroutines.
// Calls fail with an [Error]. Unary calls have a deadline, mutations get a request_id when they have none, and what
// is safe to repeat is repeated when the server is away.
type Client struct {
	Tasks      millpondv1.TaskServiceClient
	Batches    millpondv1.BatchServiceClient
	Events     millpondv1.EventServiceClient
	Workers    millpondv1.WorkerServiceClient
	Deliveries millpondv1.DeliveryServiceClient

	address  string
	conn     *grpc.ClientConn
	repeater repeater
}

const (
	defaultTimeout      = 30 * time.Second
	largestAnswer       = 64 << 20
	connectTimeout      = 10 * time.Second
	pingInterval        = 30 * time.Second
	pingTimeout         = 15 * time.Second
	reconnectMultiplier = 1.6
	reconnectJitter     = 0.2
)

// NewClient makes a client of the server at an address such as http://127.0.0.1:8085. Without a scheme http:// is
// meant; https:// is TLS. It connects with the first call; what is no address is refused at once. Nil options are the
// defaults.
func NewClient(address string, options *ClientOptions) (*Client, error) {
	if options == nil {
		options = &ClientOptions{}
	}
	parsed, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	repeats := repeater{enabled: !options.DisableRetry}
	chain := calls{
		address: parsed.text, token: options.Token, timeout: orDefault(options.Timeout, defaultTimeout), repeater: repeats,
	}
	dialed := append(dialOptions(parsed, options.TLS, &chain), options.DialOptions...)
	conn, err := grpc.NewClient(parsed.target, dialed...)
	if err != nil {
		return nil, err
	}
	return &Client{
		Tasks:      millpondv1.NewTaskServiceClient(conn),
		Batches:    millpondv1.NewBatchServiceClient(conn),
		Events:     millpondv1.NewEventServiceClient(conn),
		Workers:    millpondv1.NewWorkerServiceClient(conn),
		Deliveries: millpondv1.NewDeliveryServiceClient(conn),
		address:    parsed.text,
		conn:       conn,
		repeater:   repeats,
	}, nil
}

func dialOptions(address address, config *tls.Config, chain *calls) []grpc.DialOption {
	transport := insecure.NewCredentials()
	if address.isTLS {
		transport = credentials.NewTLS(config)
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("millpond-go/" + Version),
		grpc.WithDisableServiceConfig(),
		// What is repeated is decided here.
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestAnswer)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: firstDelay, Multiplier: reconnectMultiplier, Jitter: reconnectJitter, MaxDelay: longestDelay,
			},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithChainUnaryInterceptor(chain.unary, chain.repeated, reconnectUnary),
		grpc.WithChainStreamInterceptor(chain.stream, reconnectStream),
	}
}

// Address is where the server is.
func (c *Client) Address() string {
	return c.address
}

// Conn is the connection, for generated clients of other services, such as grpc.health.v1. What is said of calls holds
// for theirs, too.
func (c *Client) Conn() grpc.ClientConnInterface {
	return c.conn
}

// Close ends the connection, and every call over it.
func (c *Client) Close() error {
	return c.conn.Close()
}

func (c *Client) isClosed() bool {
	return c.conn.GetState() == connectivity.Shutdown
}
