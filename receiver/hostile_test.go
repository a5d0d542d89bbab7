package receiver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// field is a length-delimited field.
func field(num byte, content []byte) []byte {
	return append(binary.AppendUvarint([]byte{num<<3 | wireBytes}, uint64(len(content))), content...)
}

func repeat(unit string, bytes int) []byte { return []byte(strings.Repeat(unit, bytes/len(unit))) }

// scatteredLabels is a series whose every label follows a sample.
func scatteredLabels() []byte {
	return field(1, repeat("\x0a\x06\x0a\x01a\x12\x01b\x12\x00", bodyMost-16))
}

// fresh are series nobody has seen, each as small as it can be.
func fresh(n int) []byte {
	name := field(1, append(field(1, []byte("__name__")), field(2, []byte("a"))...))
	var raw []byte
	for i := 0; len(raw) < n; i++ {
		other := field(1, append(field(1, []byte("i")), field(2, fmt.Append(nil, i))...))
		raw = append(raw, field(1, slices.Concat(name, other, []byte("\x12\x00")))...)
	}
	return raw
}

// amplified are series that each refer to the same few symbols, the largest allowed,
// in another order: a few bytes on the wire that name 16 KiB.
func amplified(t *testing.T) []byte {
	st := writev2.NewSymbolTable()
	req := &writev2.Request{}
	refs := symbolize(&st, "__name__", strings.Repeat("n", 4000), "b", strings.Repeat("b", 4000), "c", strings.Repeat("c", 4000), "i")
	for i := range 24_000 {
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: append(refs[:7:7], st.Symbolize(fmt.Sprint(i))), Samples: []writev2.Sample{{Timestamp: 1}}})
	}
	req.Symbols = st.Symbols()
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// strangers are series of 64 labels each that share symbols as long as a value may
// be: names and values far beyond the limits for some 300 bytes on the wire.
func strangers() []byte {
	const size, symbols = 4096, bodyMost / 4096 * 3 / 4
	raw := []byte("\x22\x00")
	for i := range symbols {
		raw = append(raw, field(4, fmt.Appendf(nil, "%*d", size, i))...)
	}
	for i := 0; i < 24_000 && len(raw) < bodyMost-512; i++ {
		var refs []byte
		for j := range 128 {
			refs = binary.AppendUvarint(refs, uint64(1+(i*7+j*31)%symbols))
		}
		raw = append(raw, field(5, field(1, refs))...)
	}
	return raw
}

// One request, whatever it holds, takes less than 256 MiB, is answered with a 4xx
// and a short reason (or with 204 where it is legal), and the next good one is
// accepted. Everything allocated counts here, as if nothing were ever collected.
func TestHostileRequests(t *testing.T) {
	noise := make([]byte, bodyMost-4096)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(noise)
	deep := repeat("\x13", bodyMost/2)
	for _, f := range []struct {
		name, contentType string
		raw               []byte // compressed here
		body              []byte // or as it is
		code              int
	}{
		{name: "empty histograms, two bytes each", contentType: typeV1, raw: field(1, repeat("\x22\x00", 1500<<10)), code: 400},
		{name: "empty samples", contentType: typeV1, raw: field(1, repeat("\x12\x00", bodyMost-8)), code: 400},
		{name: "empty samples within the budget", contentType: typeV1, raw: field(1, repeat("\x12\x00", 59_000)), code: 400},
		{name: "empty exemplars within the budget", contentType: typeV1, raw: field(1, repeat("\x1a\x00", 998_000)), code: 400},
		{name: "empty exemplars", contentType: typeV1, raw: field(1, repeat("\x1a\x00", bodyMost-8)), code: 400},
		{name: "empty labels", contentType: typeV1, raw: field(1, repeat("\x0a\x00", bodyMost-8)), code: 400},
		{name: "scattered labels", contentType: typeV1, raw: scatteredLabels(), code: 400},
		{name: "empty series", contentType: typeV1, raw: repeat("\x0a\x00", bodyMost), code: 400},
		{name: "empty metadata", contentType: typeV1, raw: repeat("\x1a\x00", bodyMost), code: 400},
		{name: "empty symbols", contentType: typeV2, raw: repeat("\x22\x00", bodyMost), code: 400},
		{name: "empty series, 2.0", contentType: typeV2, raw: repeat("\x2a\x00", bodyMost), code: 400},
		{name: "references", contentType: typeV2, raw: append([]byte("\x22\x00"), field(5, field(1, make([]byte, bodyMost-16)))...), code: 400},
		{name: "spans", contentType: typeV1, raw: field(1, field(4, repeat("\x5a\x00", bodyMost-16))), code: 400},
		{name: "deltas", contentType: typeV1, raw: field(1, field(4, field(12, make([]byte, bodyMost-32)))), code: 400},
		{name: "a label value of 8 MiB", contentType: typeV1, raw: field(1, append(field(1, append(field(1, []byte("__name__")), field(2, repeat("a", 8<<20))...)), 0x12, 0x00)), code: 400},
		{name: "a symbol of 8 MiB", contentType: typeV2, raw: append(append([]byte("\x22\x00"), field(4, repeat("a", 8<<20))...), field(5, []byte{0x0a, 2, 1, 1, 0x12, 0})...), code: 400},
		{name: "new series", contentType: typeV1, raw: fresh(6 << 20), code: 400},
		{name: "as many new series as allowed", contentType: typeV1, raw: fresh(640_000), code: 204},
		{name: "few bytes that name many", contentType: typeV2, raw: amplified(t), code: 400},
		{name: "long symbols in every series", contentType: typeV2, raw: strangers(), code: 400},
		{name: "groups within groups", contentType: typeV1, raw: deep, code: 400},
		{name: "groups that end", contentType: typeV1, raw: append(deep, repeat("\x14", bodyMost/2)...), code: 204},
		{name: "overlong varints", contentType: typeV1, raw: repeat("\xff", bodyMost), code: 400},
		{name: "2.0 announced as 1.0", contentType: typeV1, raw: captures(t, v2)["000001.rw2.sz"], code: 204},
		{name: "1.0 announced as 2.0", contentType: typeV2, raw: captures(t, v1)["000001.rw1.sz"], code: 204},
		{name: "noise that does not compress", contentType: typeV1, body: noise, code: 400},
		{name: "a body too large", contentType: typeV1, body: make([]byte, DefaultConfig().MaxBody+1), code: 400},
		{name: "a bomb", contentType: typeV1, body: snappy.Encode(nil, make([]byte, 256<<20)), code: 400},
		{name: "a length of 4 GiB", contentType: typeV1, body: []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, code: 400},
		{name: "a length of 32 MiB and nothing", contentType: typeV1, body: []byte{0x80, 0x80, 0x80, 0x10, 0}, code: 400},
	} {
		t.Run(f.name, func(t *testing.T) {
			defer debug.FreeOSMemory()
			r, _, _ := newReceiver(t, DefaultConfig(), nil)
			r.appender = takesAll{}
			body := f.body
			if body == nil {
				body = snappy.Encode(nil, f.raw)
			}
			good := oneSampleV1(t, 1, 1, "__name__", "up")
			req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			req.Header.Set("Content-Type", f.contentType)
			w := httptest.NewRecorder()
			began, before := time.Now(), allocated()
			r.ServeHTTP(w, req)
			took, used := time.Since(began), allocated()-before
			t.Logf("%d, %d MiB, %s: %.120s", w.Code, used>>20, took.Round(time.Millisecond), w.Body)
			if w.Code != f.code || w.Body.Len() > 1024 {
				t.Errorf("answered %d with %d bytes, want %d", w.Code, w.Body.Len(), f.code)
			}
			if used > 256<<20 {
				t.Errorf("allocated %d MiB", used>>20)
			}
			if w := post(r, typeV1, good); w.Code != 204 {
				t.Errorf("the next good request is answered %d %s", w.Code, w.Body)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A swollen decoder shrinks back: what a hostile request needed is not kept.
func TestDecodersShrink(t *testing.T) {
	c := DefaultConfig()
	c.Concurrency = 1
	r, _, _ := newReceiver(t, c, nil)
	r.appender = takesAll{}
	before := heap()
	post(r, typeV1, append(oneSampleV1(t, 1, 1, "__name__", "up"), field(1, repeat("\x12\x00", 59_000))...))
	post(r, typeV2, append(repeat("\x22\x00", 990_000), field(9, make([]byte, 20<<20))...))
	runtime.GC() // twice, for sync.Pool to let go
	if kept := heap() - before; kept > 8<<20 {
		t.Errorf("%d MiB kept", kept>>20)
	}
}

// Thirty-two of the largest requests at once stay within the memory for all, or are
// told to come again.
func TestHostileRequestsAtOnce(t *testing.T) {
	c := DefaultConfig() // an eighth of it meets the same bounds and does not tire the machine
	c.MaxBody, c.MaxDecoded, c.MaxBuffered = c.MaxBody/8, c.MaxDecoded/8, c.MaxBuffered/8
	r, _, _ := newReceiver(t, c, nil)
	body := make([]byte, 3<<19)
	copy(body, "\xff\xff\xff\x0f")
	answers := make(chan int)
	for range 32 {
		go func() {
			answers <- send(r, http.MethodPost, typeV1, "snappy", body).Code
		}()
	}
	for range 32 {
		if code := <-answers; code != 400 && code != 503 {
			t.Errorf("answered %d", code)
		}
	}
	if !r.settings.Load().memory.all.TryAcquire(int64(c.MaxBuffered)) {
		t.Error("memory is still reserved")
	}
	if w := post(r, typeV1, oneSampleV1(t, 1, 1, "__name__", "up")); w.Code != 204 {
		t.Errorf("the next good request is answered %d %s", w.Code, w.Body)
	}
}
