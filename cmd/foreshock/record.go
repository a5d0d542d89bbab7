package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/exporter-toolkit/web"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/foreshock/foreshock/internal/capture"
)

const aboutRecord = `Point a remote_write at it, beside the one to Foreshock:

  remote_write: [{url: http://localhost:9798/api/v1/write}]

A request is acknowledged once it is on the disk. At --max-size or --duration the recording
ends; a file that is there already is added to. Credentials that senders give are not kept,
but samples and labels are: treat the file as they deserve.`

// recording is what the flags of record say.
type recording struct {
	file     string
	limit    units.Base2Bytes
	duration time.Duration
	web      *web.FlagConfig
}

// addRecord adds the command that keeps what is received.
func addRecord(app *kingpin.Application) (string, command) {
	r := recording{}
	cmd := app.Command("record", "Keep the remote-write requests that come in a file, for backtest --capture.").HelpLong(aboutRecord)
	cmd.Arg("file", "The capture; it is made where there is none.").Required().StringVar(&r.file)
	cmd.Flag("max-size", "How large the file may become; 0 is any size.").Default("1GiB").BytesVar(&r.limit)
	cmd.Flag("duration", "How long to record; 0 is until interrupted.").Default("0").DurationVar(&r.duration)
	r.web = webflag.AddFlags(cmd, ":9798")
	return cmd.FullCommand(), func(_, stderr io.Writer) int {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := r.run(ctx, stderr); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

func (r *recording) run(ctx context.Context, stderr io.Writer) error {
	file, torn, err := capture.Append(r.file, int64(r.limit))
	if err != nil {
		return err
	}
	if torn > 0 {
		fmt.Fprintf(stderr, "%s: the last %d bytes were torn by a crash and are cut off\n", r.file, torn)
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	recorder := capture.NewRecorder(file, time.Now, logger)
	mux := http.NewServeMux()
	mux.Handle("/api/v1/write", recorder)
	mux.Handle("/api/v1/push", recorder)
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Foreshock records.") })
	// The bounds on slow clients are those of serve.
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 6 * time.Minute, MaxHeaderBytes: 64 << 10}
	serving := make(chan error, 1)
	go func() { serving <- web.ListenAndServe(server, r.web, logger) }()

	if isTerminal(stderr) {
		defer fmt.Fprintln(stderr)
	}
	var over <-chan time.Time
	if r.duration > 0 {
		over = time.After(r.duration)
	}
	why := "interrupted"
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-tick.C:
			if isTerminal(stderr) {
				fmt.Fprintf(stderr, "\r\033[K%s", progressOf(recorder, file))
			}
			continue
		case <-ctx.Done():
		case <-over:
			why = "--duration is over"
		case <-recorder.Full():
			why = "--max-size is reached"
		case err = <-serving:
			if errors.Is(err, http.ErrServerClosed) {
				err = nil
			}
			why = "stopped serving"
		}
		waiting = false
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // what is left is not acknowledged
	}
	requests, samples := recorder.Count()
	logger.Info("recording ended", "why", why, "file", r.file, "bytes", file.Size(), "requests", requests, "samples", samples)
	return errors.Join(err, recorder.Err(), file.Close())
}

func progressOf(r *capture.Recorder, f *capture.File) string {
	requests, samples := r.Count()
	return fmt.Sprintf("%d requests, %d samples, %.1f MiB", requests, samples, float64(f.Size())/float64(units.MiB))
}
