package emitter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
	"github.com/foreshock/foreshock/internal/record"
)

// standardOutput is the name of the file that is none.
const standardOutput = "-"

// reportsAtOnce is how many reports' lines are written between flushes.
const reportsAtOnce = 100

// jsonLines appends one JSON object a line to a file for every anomaly, incident
// and forecast. When the file is too slow the oldest lines go; a line that cannot
// be written is lost and counted, and the next one tries to open the file anew.
type jsonLines struct {
	destinationOptions
	config JSONLinesConfig
	queue  *queue[foreshock.Report] // without the scores
	errors *logthrottle.Logger

	file *os.File // nil: to be opened
	size int64
}

// newJSONLines returns a destination whose queue holds nothing before it is resized.
// It fails when the file cannot be appended to, and leaves none that was not there.
func newJSONLines(c JSONLinesConfig, o destinationOptions) (*jsonLines, error) {
	j := &jsonLines{
		destinationOptions: o,
		config:             c,
		queue:              newQueue(0, countLines),
		errors:             logthrottle.New(logEvery, o.now, o.logger.With("file", c.File)),
	}
	if _, err := os.Stat(c.File); c.File != standardOutput && errors.Is(err, fs.ErrNotExist) {
		return j, creatable(c.File)
	}
	if err := j.open(); err != nil {
		return nil, err
	}
	return j, j.shut()
}

// creatable reports why there cannot be the file. It does not create it even for a
// moment: another may be about to write it.
func creatable(file string) error {
	trial, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("open JSON lines: %w", err)
	}
	return errors.Join(trial.Close(), os.Remove(trial.Name()))
}

func (j *jsonLines) place() string { return j.config.File }

func (j *jsonLines) deliver(r foreshock.Report, _ []sample) {
	r.Scores, r.Ended, r.Gone = nil, nil, nil
	if n := countLines(r); n > 0 {
		j.metrics.lines.Add(float64(n))
		j.metrics.linesDropped.Add(float64(j.queue.put(r)))
	}
}

// line is what every line begins with.
type line struct {
	Type string         `json:"type"` // anomaly, forecast or incident
	Time record.Instant `json:"time"`
}

// appendLines appends what is written of a report: its anomalies, forecasts and
// incidents, in this order, the incidents with all their members.
func appendLines(lines []any, r foreshock.Report) []any {
	for _, a := range r.Anomalies {
		lines = append(lines, struct {
			line
			record.Anomaly
		}{line{"anomaly", record.Instant(a.T)}, record.NewAnomaly(a)})
	}
	for _, f := range r.Forecasts {
		lines = append(lines, struct {
			line
			record.Forecast
		}{line{"forecast", record.Instant(f.T)}, record.NewForecast(f)})
	}
	for _, i := range r.Incidents {
		lines = append(lines, struct {
			line
			record.Incident
		}{line{"incident", record.Instant(i.Updated)}, record.NewIncident(i, len(i.Members))})
	}
	return lines
}

func countLines(r foreshock.Report) int {
	return len(r.Anomalies) + len(r.Forecasts) + len(r.Incidents)
}

func (j *jsonLines) close() { j.queue.close() }

func (j *jsonLines) run(ctx context.Context) {
	defer func() {
		waiting, _ := j.queue.state()
		for _, r := range j.queue.take(waiting) {
			j.metrics.linesDropped.Add(float64(countLines(r)))
		}
		if err := j.shut(); err != nil {
			j.errors.Log(slog.LevelError, "closing the JSON lines failed", "err", err)
		}
	}()
	for ctx.Err() == nil {
		_, open := j.queue.state()
		if reports := j.queue.take(reportsAtOnce); len(reports) > 0 {
			var lines []any
			for _, r := range reports {
				lines = appendLines(lines, r)
			}
			j.write(lines)
			continue
		}
		if !open {
			return
		}
		select {
		case <-j.queue.changed:
		case <-ctx.Done():
		}
	}
}

// write appends the lines, beginning the file anew where the size says so. After a
// failure all that were not flushed are lost: what of them reached the file is
// unknown, and none may be there twice.
func (j *jsonLines) write(lines []any) {
	for len(lines) > 0 {
		n, err := j.append(lines)
		if err != nil {
			j.metrics.linesFailed.Add(float64(len(lines)))
			j.errors.Log(slog.LevelError, "writing JSON lines failed", "err", err, "lines", len(lines))
			return
		}
		lines = lines[n:]
	}
}

// append writes lines until the file is full and returns how many.
func (j *jsonLines) append(lines []any) (written int, err error) {
	if err := j.open(); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.shut())
		}
	}()
	w := bufio.NewWriter(j.file)
	for n, line := range lines {
		b, err := json.Marshal(line)
		if err != nil {
			return 0, fmt.Errorf("encode JSON line: %w", err)
		}
		b = append(b, '\n')
		if j.size > 0 && j.size+int64(len(b)) > int64(j.config.MaxSize) && j.file != os.Stdout {
			if err := w.Flush(); err != nil {
				return 0, err
			}
			return n, j.rotate()
		}
		if _, err := w.Write(b); err != nil {
			return 0, err
		}
		j.size += int64(len(b))
	}
	return len(lines), w.Flush()
}

// open opens the file unless it is open.
func (j *jsonLines) open() error {
	if j.file != nil {
		return nil
	}
	if j.config.File == standardOutput {
		j.file = os.Stdout
		return nil
	}
	// Opening a pipe nobody reads would wait for ever.
	if info, err := os.Stat(j.config.File); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("open JSON lines: %s is not a regular file", j.config.File)
	}
	file, err := os.OpenFile(j.config.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open JSON lines: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("open JSON lines: %w", err), file.Close())
	}
	j.file, j.size = file, size
	return nil
}

// shut closes the file, if it is open.
func (j *jsonLines) shut() error {
	file := j.file
	j.file = nil
	if file == nil || file == os.Stdout {
		return nil
	}
	return file.Close()
}

// rotate makes place: the file becomes FILE.1, and the next line opens a new one.
func (j *jsonLines) rotate() error {
	if err := errors.Join(j.shut(), os.Rename(j.config.File, j.config.File+".1")); err != nil {
		return fmt.Errorf("rotate JSON lines: %w", err)
	}
	return nil
}
