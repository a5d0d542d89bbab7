package detector

import (
	"slices"
	"unsafe"

	"github.com/foreshock/foreshock/detector/constellation"
	"github.com/foreshock/foreshock/detector/forecast"
)

// holding is what a detector holds memory for.
type holding uint8

const (
	heldStates         holding = iota // of series, known or forgotten: pages stay
	heldWindows                       // beside them
	heldModels                        // of series that move
	heldSeasons                       // of those that earned one
	heldForecasts                     // of those a forecast rule selects
	heldConstellations                // of those a group speaks for
	heldDiaries                       // of those that were anomalous or near it
	heldGroups                        // and who is in them
	heldHistograms                    // families and their pieces
	heldIndexes                       // by which all of it is found, targets and owners
	heldRoll                          // who is missed: all shards' and no part of the limit

	holdings
)

// String is the holding as the metrics' label has it.
func (h holding) String() string {
	return [...]string{
		"states", "windows", "models", "seasons", "forecasts", "constellations", "diaries", "groups", "histograms", "indexes", "absences",
	}[h]
}

// optional are the holdings that a series can do without: above memory_limit it is not
// given them.
var optional = [...]holding{heldSeasons, heldForecasts, heldConstellations, heldDiaries}

// ledger is what a shard holds, in bytes. It is kept where something is made or dropped,
// by what Go sets aside for it: sums of known sizes, so that the same batches find the
// same room on every machine. What is shared, labels of series that were sent and batches
// under way, is the receiver's and the queue's.
type ledger struct {
	held     [holdings]int
	vacant   int           // of the states: of series that were forgotten, for others to come
	limit    int           `image:"-"` // of their sum, less what is vacant; 0 is none
	withheld [holdings]int // since the batch began: times that an optional one was not given
}

// take notes that so many bytes more are held, or less. Nobody keeps a nil ledger.
func (l *ledger) take(h holding, bytes int) {
	if l != nil {
		l.held[h] += bytes
	}
}

// full reports whether the limit is reached.
func (l *ledger) full() bool { return l.limit != 0 && l.sum() >= l.limit }

// sum is what is held in all.
func (l *ledger) sum() int {
	sum := -l.vacant
	for _, n := range l.held {
		sum += n
	}
	return sum
}

// spares reports whether there is room for an optional holding, and notes where not.
func (l *ledger) spares(h holding) bool {
	if l == nil || !l.full() {
		return true
	}
	l.withheld[h]++
	return false
}

// blocks are the sizes in which Go's allocator sets memory aside, up to 32 KiB: a test
// holds them against it. Above are whole pages of 8 KiB.
var blocks = [...]int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
	352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
	2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472,
	9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264,
	28672, 32768,
}

const (
	heapPage = 8 << 10

	// Go puts eight bytes before an object above 512 B that has pointers, but for those that
	// have pages of their own.
	headless, header = 512, 8
	largest          = 32<<10 - header
)

// sized is what size bytes without a pointer take of the heap, linked those with one.
func sized(size uintptr) int {
	n := int(size)
	if i, _ := slices.BinarySearch(blocks[:], n); i < len(blocks) {
		return blocks[i]
	}
	return (n + heapPage - 1) / heapPage * heapPage
}

func linked(size uintptr) int {
	if size > headless && size <= largest {
		size += header
	}
	return sized(size)
}

// entry is what an entry of so many bytes takes of a map: eight share a word of control
// bytes, and a table that grows by doubling is between 7/16 and 7/8 full, 2/3 as a mean.
func entry(size uintptr) int { return (int(size) + 1) * 3 / 2 }

// What things take, in bytes.
var (
	pageBytes     = linked(pageSize * unsafe.Sizeof(state{}))
	modelBytes    = sized(unsafe.Sizeof(model{}))
	seasonalBytes = sized(unsafe.Sizeof(seasonal{}))
	outlookBytes  = linked(unsafe.Sizeof(outlook{}))
	futureBytes   = sized(unsafe.Sizeof(forecast.Forecaster{}))
	aheadBytes    = sized(unsafe.Sizeof(forecast.Ahead{}))
	starBytes     = sized(unsafe.Sizeof(constellation.Member{}))
	diaryBytes    = linked(unsafe.Sizeof(diary{}))
	groupBytes    = linked(unsafe.Sizeof(group{})) + entry(unsafe.Sizeof(groupKey{})+8) + 2*labelBytes + seriesBytes
	placeBytes    = sized(unsafe.Sizeof(constellation.Place{}))
	familyBytes   = linked(unsafe.Sizeof(family{})) + entry(16) + labelBytes
	pieceBytes    = linked(unsafe.Sizeof(piece{})) + 10 // and its place among the buckets, which grow by a quarter
	streamBytes   = labelBytes + seriesBytes
)

const (
	labelBytes  = 128   // labels of Kubernetes are 100 to 150 B; what names a group is as long
	seriesBytes = 64    // foreshock.Series
	memberBytes = 4 + 2 // its place in a group's list, which doubles
	// its place among those of its name, whose list doubles, and a name: with the list, in a map
	namesakeBytes = 4 + 2
	nameBytes     = 32 + 24 + (16+8+1)*3/2

	turnBytes   = 4 + 4   // its turn to be asked whether it is idle, and one that is over
	nativeBytes = 2 << 10 // a native histogram of 100 buckets of 16 B, with room

	// What is told of others; see maxFamilies and maxOwners.
	typeBytes  = 100
	ownerBytes = 200
)

// hold counts what is known by its number.
func (s *shard) hold() {
	places := entry(12 + 4) // of a map from a hash to a slot
	s.ledger.held[heldStates] = len(s.series.pages) * pageBytes
	s.ledger.vacant = (int(s.series.used) - s.series.len()) * int(unsafe.Sizeof(state{}))
	s.ledger.held[heldIndexes] = (len(s.series.index)+len(s.siblings.first)+len(s.targets.index))*places +
		s.series.len()*(turnBytes+namesakeBytes) + len(s.series.names)*nameBytes + len(s.longer)*entry(4+8) + cap(s.targets.list)*int(unsafe.Sizeof(target{})) +
		len(s.owners.known)*ownerBytes + len(s.types)*typeBytes
}

// bytes are those of the roll, by its numbers.
func (r *roll) bytes() int {
	each := func(n int, size uintptr) int { return n * (linked(size) + entry(8+8)) }
	return each(len(r.targets), unsafe.Sizeof(wholeTarget{})) + each(len(r.jobs), unsafe.Sizeof(wholeJob{})) +
		each(len(r.posts), unsafe.Sizeof(post{})) + each(len(r.names), unsafe.Sizeof(record{})) +
		each(len(r.missing), unsafe.Sizeof(absence{}))
}

// full reports whether there is no room for one more series.
func (s *shard) full() bool { return s.series.len() >= s.limit || s.ledger.full() }

// crowds reports whether one more series of the job would take of the room that is kept
// for jobs that have little, and it has not.
func (s *shard) crowds(job string) bool {
	own := s.series.jobs[job]
	if others := s.series.len() - own; s.reserve == 0 || own == 0 || others == 0 {
		return false
	}
	crowded := func(known, own, limit float64) bool {
		return known >= (1-s.reserve)*limit && own >= s.reserve*limit
	}
	known := float64(s.series.len())
	if crowded(known, float64(own), float64(s.limit)) {
		return true
	}
	// Of memory a job is taken to have its part by the number of its series.
	held := float64(s.ledger.sum())
	return s.ledger.limit != 0 && crowded(held, held*float64(own)/known, float64(s.ledger.limit))
}

// drop gives back what m holds, which is the zero mind from then on.
func (m *mind) drop(l *ledger) {
	if m.model != nil {
		l.take(heldModels, -modelBytes)
	}
	if m.seasonal != nil {
		l.take(heldSeasons, -seasonalBytes)
	}
	*m = mind{}
}

// empty gives back the samples of st.
func (s *shard) empty(st *state) {
	s.ledger.take(heldWindows, -st.window.Bytes())
	st.window.Reset()
}

// bytes are those of an outlook.
func (o *outlook) bytes() int {
	n := outlookBytes
	if o.future != nil {
		n += futureBytes
	}
	if o.ahead != nil {
		n += aheadBytes
	}
	return n
}

// bytes are those of a diary.
func (d *diary) bytes() int { return diaryBytes + noteBytes(cap(d.notes)) }

// noteBytes are those of so many notes.
func noteBytes(n int) int { return sized(uintptr(n) * unsafe.Sizeof(note{})) }
