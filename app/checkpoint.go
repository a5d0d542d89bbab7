package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/journal"
)

// The files of a checkpoint.
const (
	manifestFile  = "manifest"
	incidentsFile = "incidents"
	fleetFile     = "fleet"
	shardPrefix   = "shard-"
)

// manifest says what else a checkpoint has.
type manifest struct {
	Format  int `json:"format"`
	Shards  int `json:"shards"`
	Segment int `json:"segment"` // of the log, from which on it is not covered
}

// checkpointFormat is the version of what checkpoint writes.
const checkpointFormat = 1

func partFile(part int) string {
	if part == detector.Fleet {
		return fleetFile
	}
	return fmt.Sprintf("%s%04d", shardPrefix, part-1)
}

// checkpoint writes down all there is as of one moment, drops what it covers of the log,
// and older checkpoints. From that moment on what is taken is logged.
func (k *keeper) checkpoint() error {
	k.saving.Lock()
	defer k.saving.Unlock()
	began := time.Now()
	k.metrics.checkpoints.Inc()
	k.exposed.Store(false) // whatever fails from here on may not be covered
	size, err := k.write(name(k.number + 1))
	k.took = time.Since(began)
	if err != nil {
		k.exposed.Store(true)
		k.metrics.checkpointFailures.Inc()
		k.logger.Error("the checkpoint failed; the one before and the log stay", "err", err)
		return err
	}
	k.failing.Store(false) // whatever the log lacked is covered, but for what exposed tells of
	k.metrics.seconds.Set(k.took.Seconds())
	k.metrics.bytes.Set(float64(size))
	k.metrics.last.SetToCurrentTime()
	return nil
}

// refresh is checkpoint where there is anything to write down. Every batch moves what all
// shards know, their clock for one, so that either all are worth writing or none is. One
// more is written when no more comes, with what was found out of incidents since.
func (k *keeper) refresh() error {
	k.saving.Lock()
	same := k.rests && k.saved == k.heard.Load() && !k.exposed.Load()
	k.saving.Unlock()
	if same {
		return nil
	}
	return k.checkpoint()
}

// write writes the checkpoint of that name, and returns how many bytes it has.
func (k *keeper) write(name string) (size int64, err error) {
	dir := filepath.Join(k.dir, name)
	under := dir + unfinished
	if err := errors.Join(k.fs.RemoveAll(under), k.fs.Mkdir(under, 0o700)); err != nil {
		return 0, errors.Join(err, k.begin())
	}
	defer k.fs.RemoveAll(under)

	shards := k.detector.Shards()
	parts := make([]*journal.Snapshot, 1+shards)
	defer func() {
		for _, p := range parts {
			if p != nil {
				p.Abort()
			}
		}
	}()
	var segment int
	var open []byte
	var heard int64
	err = k.detector.Save(detector.Checkpoint{
		Cut:      func() { segment = k.log.Cut(); k.logging.Store(true); heard = k.heard.Load() },
		Observed: func() { open = k.incidents.image(); k.replaying.Store(false) },
		Write: func(part int, piece []byte) (err error) {
			if parts[part] == nil {
				if parts[part], err = journal.CreateSnapshot(k.fs, filepath.Join(under, partFile(part))); err != nil {
					return err
				}
			}
			return parts[part].Write(piece)
		},
	})
	if err != nil {
		return 0, err
	}
	for i, p := range parts {
		n, err := p.Commit()
		parts[i] = nil
		if err != nil {
			return 0, err
		}
		size += n
	}
	about, err := json.Marshal(manifest{checkpointFormat, shards, segment})
	if err != nil {
		return 0, err
	}
	for file, piece := range map[string][]byte{incidentsFile: open, manifestFile: about} {
		n, err := k.writeFile(filepath.Join(under, file), piece)
		if err != nil {
			return 0, err
		}
		size += n
	}
	if err := journal.Publish(k.fs, under, dir); err != nil {
		return 0, err
	}
	k.number++
	k.rests, k.saved = k.number > 1 && heard == k.saved, heard
	k.log.Drop(segment)
	for _, older := range k.checkpoints() {
		if older < name {
			if err := k.fs.RemoveAll(filepath.Join(k.dir, older)); err != nil {
				k.logger.Warn("an older checkpoint could not be removed", "err", err)
			}
		}
	}
	return size, nil
}

// begin has what is taken from now on be logged though no checkpoint could be written.
func (k *keeper) begin() error {
	return k.detector.Save(detector.Checkpoint{
		Cut:      func() { k.logging.Store(true) },
		Observed: func() { k.replaying.Store(false) },
		Write:    func(int, []byte) error { return nil },
	})
}

func (k *keeper) writeFile(path string, piece []byte) (int64, error) {
	s, err := journal.CreateSnapshot(k.fs, path)
	if err != nil {
		return 0, err
	}
	if err := s.Write(piece); err != nil {
		s.Abort()
		return 0, err
	}
	return s.Commit()
}

// readFile is the one piece of a file.
func (k *keeper) readFile(path string) ([]byte, error) {
	r, err := journal.OpenSnapshot(k.fs, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	piece, err := r.Next()
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", path, journal.ErrDamaged))
	}
	return piece, nil
}

// latest is the newest checkpoint: its directory, "" where there is none, and its
// manifest, which is made up from its files where it cannot be read.
func (k *keeper) latest() (dir string, m manifest, err error) {
	all := k.checkpoints()
	if len(all) == 0 {
		return "", m, nil
	}
	newest := all[len(all)-1]
	k.number, _ = strconv.Atoi(newest) // 0 of a foreign directory
	dir = filepath.Join(k.dir, newest)
	text, err := k.readFile(filepath.Join(dir, manifestFile))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if errors.Is(err, journal.ErrNewer) {
		return "", m, fmt.Errorf("checkpoint %s: %w; install that one, or remove %s to begin anew", dir, err, k.dir)
	}
	if err == nil && m.Format > checkpointFormat {
		return "", m, fmt.Errorf("checkpoint %s has format %d and was written by a newer foreshock: this one reads up to %d; install that one, or remove %s to begin anew", dir, m.Format, checkpointFormat, k.dir)
	}
	if err != nil || m.Shards < 1 {
		k.lose(manifestFile, err)
		files, _ := filepath.Glob(filepath.Join(dir, shardPrefix+"[0-9][0-9][0-9][0-9]")) // the pattern is good
		m = manifest{checkpointFormat, len(files), 0}
	}
	return dir, m, nil
}

// lose says that a file of the checkpoint is of no use.
func (k *keeper) lose(file string, err error) {
	k.metrics.lost.Inc()
	k.logger.Error("a file of the checkpoint cannot be used: what it held is learned anew", "file", file, "err", err)
}

// restore takes up the checkpoint in dir, and returns how many series it knew.
func (k *keeper) restore(dir string) (series int) {
	began := time.Now()
	var mu sync.Mutex
	var files []*journal.SnapshotReader
	series, lost := k.detector.Restore(func(part int) (detector.Pieces, error) {
		r, err := journal.OpenSnapshot(k.fs, filepath.Join(dir, partFile(part)))
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		files = append(files, r)
		return r.Next, nil
	})
	for _, f := range files {
		_ = f.Close() // it was only read
	}
	for part, err := range lost {
		if err != nil {
			k.lose(partFile(part), err)
		}
	}
	image, err := k.readFile(filepath.Join(dir, incidentsFile))
	if err == nil {
		err = k.incidents.restore(image)
	}
	if err != nil {
		k.lose(incidentsFile, err)
	}
	k.metrics.restored.Set(float64(series))
	k.logger.Info("restored the checkpoint", "series", series, "took", time.Since(began).Round(time.Millisecond))
	return series
}

type keeperMetrics struct {
	checkpoints, checkpointFailures, lost, replayed, unreplayed prometheus.Counter
	seconds, bytes, last, restored                              prometheus.Gauge
}

func newKeeperMetrics(reg prometheus.Registerer) *keeperMetrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "foreshock_app_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "foreshock_app_" + name, Help: help})
	}
	return &keeperMetrics{
		checkpoints:        counter("checkpoints_total", "Checkpoints that were begun."),
		checkpointFailures: counter("checkpoint_failures_total", "Checkpoints that could not be written."),
		lost:               counter("checkpoint_files_lost_total", "Files of the checkpoint that could not be used at the start: what they held is learned anew."),
		replayed:           counter("replayed_requests_total", "Requests of the ingest log that were taken in again at the start."),
		unreplayed:         counter("replay_failures_total", "Requests of the ingest log that could not be taken in again."),
		seconds:            gauge("checkpoint_duration_seconds", "How long the latest checkpoint took; scoring went on."),
		bytes:              gauge("checkpoint_size_bytes", "Size of the latest checkpoint."),
		last:               gauge("checkpoint_last_success_timestamp_seconds", "When the latest checkpoint was written."),
		restored:           gauge("restored_series", "Series whose models a checkpoint brought back at the start."),
	}
}
