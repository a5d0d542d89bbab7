package remediation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/foreshock/foreshock/journal"
)

// link is where the chain of the ledger's records stands: how many there are, and a hash
// over all of them, each time of the hash before and the record. A record that was edited,
// dropped or moved does not fit the hash it carries or the one that follows.
type link struct {
	n    uint64
	hash [sha256.Size]byte
}

// The hash is the last field of a record.
const (
	sealBegin = `,"hash":"`
	sealEnd   = `"}`
	sealSize  = len(sealBegin) + 2*sha256.Size + len(sealEnd)
)

// next is the link after the record's bytes without its seal.
func (l link) next(body []byte) link {
	return link{l.n + 1, sha256.Sum256(append(l.hash[:], body...))}
}

// seal encodes the page as the record that follows l.
func (l link) seal(p page) (record []byte, next link, err error) {
	p.N = l.n + 1
	body, err := json.Marshal(p)
	if err != nil {
		return nil, l, fmt.Errorf("encode record: %w", err)
	}
	next = l.next(body)
	record = append(body[:len(body)-1:len(body)-1], sealBegin...)
	record = hex.AppendEncode(record, next.hash[:])
	return append(record, sealEnd...), next, nil
}

// unseal splits a record. One of before there were seals is all body.
func unseal(record []byte) (body []byte, hash [sha256.Size]byte, sealed bool) {
	cut := len(record) - sealSize
	if cut < 0 {
		return record, hash, false
	}
	digits, ok := bytes.CutPrefix(record[cut:], []byte(sealBegin))
	if !ok {
		return record, hash, false
	}
	digits, ok = bytes.CutSuffix(digits, []byte(sealEnd))
	if _, err := hex.Decode(hash[:], digits); err != nil || !ok {
		return record, hash, false
	}
	return append(record[:cut:cut], '}'), hash, true
}

// walker goes along the chain and says where it breaks.
type walker struct {
	link   // after the last record
	before link
	sealed bool  // some record was
	head   *link // what the ledger is known to have held; nil once it was met
}

// step takes the next record, and reports what is wrong with it. Then it goes on from what
// the record itself says.
func (w *walker) step(record []byte, p page) error {
	w.meet()
	body, hash, sealed := unseal(record)
	if !sealed {
		if w.sealed {
			return errors.New("has no hash, though one before it has")
		}
		w.before, w.link = w.link, w.next(body)
		return nil
	}
	from := w.link
	if p.Again && p.N == w.before.n+1 {
		from = w.before
	}
	w.sealed = true
	next := from.next(body)
	var wrong error
	switch {
	case p.N != next.n:
		wrong = fmt.Errorf("says it is record %d, where %d was due: records were removed, moved or added", p.N, next.n)
	case hash != next.hash:
		wrong = errors.New("does not fit its hash: it or one before it was changed, removed or moved")
	}
	w.before, w.link = from, link{p.N, hash}
	if p.Continues != nil && w.head != nil && *p.Continues == w.head.text() {
		w.head = nil
	}
	return wrong
}

// meet notes that the head was found, if it was.
func (w *walker) meet() {
	if w.head != nil && *w.head == w.link {
		w.head = nil
	}
}

// end reports that the ledger does not hold what it held once.
func (w *walker) end() error {
	w.meet()
	if w.head == nil {
		return nil
	}
	if w.head.n > w.n {
		return fmt.Errorf("ends at record %d, but it held %d", w.n, w.head.n)
	}
	return fmt.Errorf("record %d is not the one that was written as such", w.head.n)
}

// The head is a file beside the records that names the last one: without it nobody would
// miss an end that was cut off. It is written after each record and synced with none, so
// that a crash leaves one of some records ago, which the ledger holds too.
const headFile = "head"

// text is 20 digits of the number and 64 of the hash, so that each overwrites the other in
// one sector.
func (l link) text() string { return fmt.Sprintf("%020d %x", l.n, l.hash) }

func parseHead(text string) (l link, err error) {
	var digits []byte
	if _, err := fmt.Sscanf(text, "%d %x", &l.n, &digits); err != nil || len(digits) != len(l.hash) {
		return link{}, fmt.Errorf("%.100q names no record", text)
	}
	copy(l.hash[:], digits)
	return l, nil
}

// readHead returns nil where there never was one.
func readHead(dir string) (*link, error) {
	text, err := os.ReadFile(filepath.Join(dir, headFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := parseHead(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", headFile, err)
	}
	return &l, nil
}

// Verified is what VerifyLedger found.
type Verified struct {
	// Records is how many there are, and Files in how many files.
	Records int `json:"records"`
	Files   int `json:"files"`
	// Unsealed is how many of them, the first ones, are of a version without hashes:
	// they are vouched for only by the first record that has one.
	Unsealed int `json:"unsealed,omitempty"`
	// Head is the number and the hash of the last record. Who keeps it elsewhere can
	// tell later that nothing up to it was rewritten.
	Head string `json:"head"`
	// Faults are what is wrong, in order.
	Faults []Fault `json:"faults"`
}

// Fault is one thing that is wrong with a ledger.
type Fault struct {
	File   string `json:"file"`
	Record int    `json:"record"` // in the file, from 1; 0 is the file itself
	What   string `json:"what"`
}

func (f Fault) String() string {
	if f.Record == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.What)
	}
	return fmt.Sprintf("%s: record %d: %s", f.File, f.Record, f.What)
}

// mostFaults bounds what is listed.
const mostFaults = 100

// VerifyLedger reads the ledger in dir without changing it, whether or not a process has it
// open, and says where it is not what was written.
func VerifyLedger(dir string) (Verified, error) {
	v := Verified{Faults: []Fault{}}
	fault := func(file string, record int, what error) {
		if len(v.Faults) < mostFaults {
			v.Faults = append(v.Faults, Fault{file, record, what.Error()})
		}
	}
	// Read first: what is written meanwhile is behind it.
	head, headErr := readHead(dir)
	w := walker{head: head}
	record, last := 0, ""
	err := journal.Inspect(dir, func(file string, b []byte, damage error) {
		if file != last {
			last, record = file, 0
			v.Files++
		}
		if damage != nil {
			fault(file, record+1, fmt.Errorf("cannot be read: %w", damage))
			return
		}
		record++
		v.Records++
		var p page
		if err := json.Unmarshal(b, &p); err != nil {
			fault(file, record, fmt.Errorf("is no record of a ledger: %w", err))
		}
		if err := w.step(b, p); err != nil {
			fault(file, record, err)
		}
		if !w.sealed {
			v.Unsealed++
		}
	})
	if err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", dir, err)
	}
	switch err := w.end(); {
	case headErr != nil:
		fault(headFile, 0, headErr)
	case head == nil && w.sealed:
		fault(headFile, 0, errors.New("is missing: records at the end could be too"))
	case err != nil:
		fault(last, 0, err)
	}
	v.Head = w.text()
	return v, nil
}
