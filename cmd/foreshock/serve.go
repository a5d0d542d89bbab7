package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/foreshock/foreshock/app"
)

const aboutServe = `Prometheus sends its samples to /api/v1/write; the console is at /. SIGHUP
reads the configuration again, and one with a mistake changes nothing. SIGTERM ends it
within 15 seconds, with exit code 0. SIGUSR1 pauses all remedies, as does a file called
paused in the storage path; foreshock remediation resume ends that.

  foreshock --config.file=foreshock.yml --storage.path=/var/lib/foreshock`

// addServe declares the default command: the sidecar itself, under the flags the
// whole Prometheus family has.
func addServe(k *kingpin.Application) (string, command) {
	cmd := k.Command("serve", "Receive remote write, score, tell, treat (the default command).").HelpLong(aboutServe).Default()
	opts := app.Options{Web: webflag.AddFlags(cmd, ":9797")}
	cmd.Flag("config.file", "Configuration file; without one, everything received is scored and shown, and nobody is told.").
		PlaceHolder("FILE").StringVar(&opts.ConfigFile)
	cmd.Flag("storage.path", "Directory for what must survive a restart; created if missing, used by one process at a time.").
		Default("data").StringVar(&opts.StoragePath)
	sync := cmd.Flag("storage.sync", "When what was acknowledged is on the disk: within a second (interval), so that a crash of the process loses nothing and a power cut that second; or before it is acknowledged (always).").
		Default("interval").Enum("interval", "always")
	var limit, outbox units.Base2Bytes
	cmd.Flag("storage.log-limit", "How much the log of what was acknowledged since the latest checkpoint may take. Beyond it the oldest goes, which a crash would then lose.").
		Default("4GiB").BytesVar(&limit)
	cmd.Flag("storage.checkpoint-interval", "How often all that was learned is written down, so that a restart replays no more than that.").
		Default("5m").DurationVar(&opts.CheckpointInterval)
	cmd.Flag("storage.outbox-limit", "How much may wait on disk for each remote write that cannot be reached. Beyond it the oldest samples go, and are counted.").
		Default("4GiB").BytesVar(&outbox)
	var memory units.Base2Bytes
	cmd.Flag("memory.limit", "How much memory the process may take, 256MiB at least; 0 is any. Beyond 64MiB for the program, half of it is the most that detector.memory_limit may be, a sixth receiver.max_cached_bytes, a tenth receiver.max_buffered, and the collector works harder near it. At the limit known series are scored as ever and new ones refused.").
		Default("0").BytesVar(&memory)
	cmd.Flag("web.max-connections", "How many connections there may be at once, half of them from one address. Beyond it those go first whose request has not begun or drips, the oldest of them, then those that idle.").
		Default("4096").IntVar(&opts.MaxConnections)
	cmd.Flag("web.enable-lifecycle", "Allow reload by POST /-/reload; SIGHUP always works.").
		BoolVar(&opts.EnableLifecycle)
	cmd.Flag("web.enable-pprof", "Serve Go's profiles of this process under /debug/pprof/.").
		BoolVar(&opts.EnablePprof)
	logConfig := promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat()}
	cmd.Flag(promslogflag.LevelFlagName, promslogflag.LevelFlagHelp).
		Default("info").HintOptions(promslog.LevelFlagOptions...).SetValue(logConfig.Level)
	cmd.Flag(promslogflag.FormatFlagName, promslogflag.FormatFlagHelp).
		Default("logfmt").HintOptions(promslog.FormatFlagOptions...).SetValue(logConfig.Format)

	return cmd.FullCommand(), func(_, stderr io.Writer) int {
		collectSooner()
		logConfig.Writer = stderr
		opts.Logger = promslog.New(&logConfig)
		opts.SyncAlways, opts.LogLimit, opts.OutboxLimit, opts.MemoryLimit = *sync == "always", int64(limit), int64(outbox), int64(memory)

		a, err := app.New(opts)
		if err != nil {
			return fail(stderr, err)
		}
		// A second signal changes nothing: the orderly end is bounded already.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		kill := make(chan os.Signal, 1)
		signal.Notify(kill, syscall.SIGUSR1)
		go func() {
			for range kill {
				a.Pause("SIGUSR1", "")
			}
		}()
		if err := a.Run(ctx, hangup); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

// collectSooner has the garbage collector run once the heap has grown by half, where Go's
// own measure is twice, unless GOGC says otherwise. What is known stays and scoring
// allocates next to nothing, so that it runs seldom either way, but all of the time there
// is as much room for garbage as the measure says: docs/benchmarks.md has the figures.
//
// A limit for the collector is left to GOMEMLIMIT, and to --memory.limit, which sees to it
// that what is alive stays well below. What detector.memory_limit bounds is
// alive, and a collector that is told to free what is alive does nothing else any more.
func collectSooner() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
