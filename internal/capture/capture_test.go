package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/receiver"
)

var (
	always = history.Span{From: math.MinInt64, To: math.MaxInt64}
	start  = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
)

// body is a request with one sample of each of two series.
func body(t *testing.T, i int) []byte {
	t.Helper()
	var w prompb.WriteRequest
	for _, room := range []string{"a", "b"} {
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "temperature"}, {Name: "room", Value: room}},
			Samples: []prompb.Sample{{Timestamp: start.UnixMilli() + int64(i)*15_000, Value: float64(i)}},
		})
	}
	raw, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

// record sends n requests to a Recorder of path and returns what the last was answered.
func record(t *testing.T, path string, limit int64, n int) (torn int64, code int) {
	t.Helper()
	f, torn, err := Append(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now := start
	r := NewRecorder(f, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(r)
	defer server.Close()
	for i := range n {
		now = start.Add(time.Duration(i) * 15 * time.Second)
		code = send(t, server.URL, body(t, i))
	}
	if requests, samples := r.Count(); code == http.StatusNoContent && (requests != int64(n) || samples != 2*int64(n)) {
		t.Errorf("counted %d requests and %d samples of %d", requests, samples, n)
	}
	return torn, code
}

func send(t *testing.T, url string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/write", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer very-secret")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// played is what a capture holds, as text.
func played(t *testing.T, s *Source, span history.Span) string {
	t.Helper()
	var b strings.Builder
	err := s.Read(t.Context(), span, func(_ context.Context, batch *foreshock.Batch) error {
		for _, x := range batch.Samples {
			fmt.Fprintf(&b, "%s+%d=%v ", x.Series.Labels.Get("room"), (x.T-start.UnixMilli())/1000, x.V)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func TestWhatIsAcknowledgedIsPlayed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	record(t, path, 0, 2)
	record(t, path, 0, 1) // another time, to the same file
	s := NewSource(path, receiver.DefaultConfig())
	if got, want := played(t, s, always), "a+0=0 b+0=0 a+15=1 b+15=1 a+0=0 b+0=0"; got != want {
		t.Errorf("played %s, want %s", got, want)
	}
	if s.Progress() != 1 || s.Torn() != 0 || s.Skipped() != 0 {
		t.Errorf("progress %v, torn %d, skipped %d", s.Progress(), s.Torn(), s.Skipped())
	}
	later := history.Span{From: start.UnixMilli() + 1, To: math.MaxInt64}
	if got, want := played(t, s, later), "a+15=1 b+15=1"; got != want {
		t.Errorf("of a span played %s, want %s", got, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("secret")) {
		t.Error("the capture holds a credential")
	}
}

// TestTornEnds: at whatever byte the machine stopped, what was whole is played, and
// recording goes on after it.
func TestTornEnds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "capture")
	record(t, path, 0, 1)
	one, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	record(t, path, 0, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range len(whole) {
		torn := filepath.Join(dir, "torn")
		if err := os.WriteFile(torn, whole[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		if int64(at) >= one.Size() {
			want = 1
		}
		if at >= len(title) {
			s := NewSource(torn, receiver.DefaultConfig())
			if got := played(t, s, always); strings.Count(got, "a+0=0") != want {
				t.Fatalf("cut at %d of %d: played %q", at, len(whole), got)
			}
			if good := int64(at) - s.Torn(); good != one.Size() && good != int64(len(title)) {
				t.Fatalf("cut at %d: %d bytes torn", at, s.Torn())
			}
		}
		if at%7 == 0 { // writing is slow
			record(t, torn, 0, 1)
			if got := played(t, NewSource(torn, receiver.DefaultConfig()), always); strings.Count(got, "a+0=0") != want+1 {
				t.Fatalf("cut at %d and recorded on: played %q", at, got)
			}
		}
	}
	if err := os.WriteFile(path, append(whole, make([]byte, 4096)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if torn, _ := record(t, path, 0, 1); torn != 4096 {
		t.Errorf("of zeros at the end %d bytes were cut off", torn)
	}
}

func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	if _, code := record(t, path, 1000, 10); code != http.StatusServiceUnavailable {
		t.Errorf("a full capture answers %d, want 503, so that senders keep what they have", code)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 1000 || info.Size() < 500 {
		t.Errorf("the capture has %d bytes", info.Size())
	}
}

// TestRefusedIsNotRecorded: a capture holds what was acknowledged and nothing else.
func TestRefusedIsNotRecorded(t *testing.T) {
	f, _, err := Append(filepath.Join(t.TempDir(), "capture"), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder(f, func() time.Time { return start }, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(r)
	defer server.Close()
	if code := send(t, server.URL, []byte("nonsense")); code != http.StatusBadRequest || f.Size() != int64(len(title)) {
		t.Errorf("nonsense was answered with %d, and the capture has %d bytes", code, f.Size())
	}
	f.Close() // as a disk that fails
	if code := send(t, server.URL, body(t, 0)); code != http.StatusServiceUnavailable || r.Err() == nil {
		t.Errorf("where nothing can be written the answer is %d, the error %v", code, r.Err())
	}
}

func TestWhatIsNoCapture(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	record(t, good, 0, 2)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	text[len(title)+20] ^= 1
	for path, want := range map[string]string{
		write("csv", "time,value\n0,1\n60,2\n"):            "not a capture: foreshock record makes them",
		write("newer", magic+"2\nsomething else entirely"): `a capture of format "2" was written by a newer foreshock: this one reads 1`,
		write("damaged", string(text)):                     "damaged at byte 20: chunkedReader: corrupted frame; checksum mismatch",
		pipe:                                               "not a regular file",
	} {
		nobody := func(context.Context, *foreshock.Batch) error { return errors.New("called") }
		err := NewSource(path, receiver.DefaultConfig()).Read(t.Context(), always, nobody)
		if err == nil || err.Error() != "play "+path+": "+want {
			t.Errorf("read %s: %v", path, err)
		}
		if _, _, err := Append(path, 0); err == nil || !strings.HasPrefix(err.Error(), "append to "+path+": "+want) {
			t.Errorf("append to %s: %v", path, err)
		}
	}
	f, _, err := Append(write("mine", ""), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, _, err := Append(filepath.Join(dir, "mine"), 0); err == nil || !strings.Contains(err.Error(), "another process records into it") {
		t.Error(err)
	}
}

// TestTheReadersErrorStopsTheReading, and is returned as it is.
func TestTheReadersErrorStopsTheReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	record(t, path, 0, 3)
	enough, calls := errors.New("enough"), 0
	err := NewSource(path, receiver.DefaultConfig()).Read(t.Context(), always, func(context.Context, *foreshock.Batch) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}
