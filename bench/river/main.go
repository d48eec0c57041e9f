// River with no-op jobs, for the benchmarks: it reads its job, a line of JSON, and prints another.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// peerJob is what is to be done; bench/programs/peer-job.ts describes it.
type peerJob struct {
	URL             string  `json:"url"`
	Mode            string  `json:"mode"`
	Jobs            int     `json:"jobs"`
	PerInsert       int     `json:"perInsert"`
	InsertsInFlight int     `json:"insertsInFlight"`
	Backlog         bool    `json:"backlog"`
	Samples         int     `json:"samples"`
	WarmUp          int     `json:"warmUp"`
	PauseMinMs      float64 `json:"pauseMinMs"`
	PauseMaxMs      float64 `json:"pauseMaxMs"`
}

type noopArgs struct {
	N int `json:"n"`
}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
	begun func()
}

func (w *noopWorker) Work(context.Context, *river.Job[noopArgs]) error {
	w.begun()
	return nil
}

type peer struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
}

func main() {
	var job peerJob
	check(json.NewDecoder(os.Stdin).Decode(&job))
	// Ends with the process that started this one.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx := context.Background()
	if job.Mode == "throughput" {
		say(throughput(ctx, job))
	} else {
		say(latency(ctx, job))
	}
}

func open(ctx context.Context, job peerJob, maxWorkers int, begun func()) peer {
	config, err := pgxpool.ParseConfig(job.URL)
	check(err)
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	workers := river.NewWorkers()
	river.AddWorker(workers, &noopWorker{begun: begun})
	client, err := river.NewClient(driver, &river.Config{
		FetchCooldown:     time.Millisecond,
		FetchPollInterval: 50 * time.Millisecond,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}},
		Workers:           workers,
	})
	check(err)
	return peer{client: client, pool: pool}
}

// analyze gives PostgreSQL the statistics that autovacuum gives it where jobs come and go for longer than a benchmark.
func (p peer) analyze(ctx context.Context) {
	_, err := p.pool.Exec(ctx, "analyze")
	check(err)
}

// throughput takes the time from the first insert, or from the start of the workers on a backlog, until all is completed.
func throughput(ctx context.Context, job peerJob) map[string]float64 {
	var begun atomic.Int64
	warm, all := make(chan struct{}), make(chan struct{})
	warmUp := job.WarmUp
	if job.Backlog {
		warmUp = 0
	}
	p := open(ctx, job, 2_000, func() {
		switch begun.Add(1) {
		case int64(warmUp):
			close(warm)
		case int64(warmUp + job.Jobs):
			close(all)
		}
	})
	if !job.Backlog {
		insertAll(ctx, p, job, warmUp)
		p.analyze(ctx)
		check(p.client.Start(ctx))
		<-warm
	}
	start := time.Now()
	insertAll(ctx, p, job, job.Jobs)
	insertSeconds := time.Since(start).Seconds()
	if job.Backlog {
		p.analyze(ctx)
		start = time.Now()
		check(p.client.Start(ctx))
	}
	<-all
	for {
		var left bool
		check(p.pool.QueryRow(ctx, "select exists (select from river_job where state <> 'completed')").Scan(&left))
		if !left {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return map[string]float64{"seconds": time.Since(start).Seconds(), "insertSeconds": insertSeconds}
}

func insertAll(ctx context.Context, p peer, job peerJob, jobs int) {
	parts := make(chan int)
	var lanes sync.WaitGroup
	for range job.InsertsInFlight {
		lanes.Go(func() {
			for count := range parts {
				params := make([]river.InsertManyParams, count)
				for n := range params {
					params[n].Args = noopArgs{N: n}
				}
				_, err := p.client.InsertManyFast(ctx, params)
				check(err)
			}
		})
	}
	for left := jobs; left > 0; left -= job.PerInsert {
		parts <- min(left, job.PerInsert)
	}
	close(parts)
	lanes.Wait()
}

// latency takes the time from the answer to an insert until the handler is called.
func latency(ctx context.Context, job peerJob) map[string]float64 {
	started := make(chan time.Time, 1)
	p := open(ctx, job, 10, func() { started <- time.Now() })
	check(p.client.Start(ctx))
	var taken []float64
	for n := range job.WarmUp + job.Samples {
		pauseMs := job.PauseMinMs + rand.Float64()*(job.PauseMaxMs-job.PauseMinMs)
		time.Sleep(time.Duration(pauseMs * float64(time.Millisecond)))
		_, err := p.client.Insert(ctx, noopArgs{N: 1}, nil)
		check(err)
		answered := time.Now()
		latencyMs := max(0, float64((<-started).Sub(answered))/float64(time.Millisecond))
		if n >= job.WarmUp {
			taken = append(taken, latencyMs)
		}
	}
	sort.Float64s(taken)
	return map[string]float64{"p50": nearestRank(taken, 0.5), "p99": nearestRank(taken, 0.99)}
}

func nearestRank(sorted []float64, share float64) float64 {
	rank := int(share*float64(len(sorted)) + 0.999999)
	return sorted[max(1, rank)-1]
}

func say(line map[string]float64) {
	check(json.NewEncoder(os.Stdout).Encode(line))
	os.Exit(0)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
