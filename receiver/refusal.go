package receiver

// refusal is why something was not taken.
type refusal uint8

// The refusals, those of whole requests first. A sender sees the words, a graph
// the label.
const (
	accepted refusal = iota

	badMethod
	badContentType
	badContentEncoding
	badBody
	bodyTooLarge
	badSnappy
	decodedTooLarge
	malformed
	tooManySeries
	tooManySamples
	tooManyObjects
	overloaded
	closed

	missingName
	emptyLabelName
	badUTF8
	repeatedLabel
	tooManyLabels
	labelNameTooLong
	labelValueTooLong
	labelsTooLong
	tooMuchNew
	badReference

	tooNew
	badHistogram

	refusals // how many there are

	// ownOutput is no refusal: what Foreshock emitted is dropped when it comes
	// back, and counts as written.
	ownOutput
)

var refusalTexts = [refusals]struct{ label, words string }{
	badMethod:          {"method", "only POST is allowed"},
	badContentType:     {"content_type", "unsupported Content-Type"},
	badContentEncoding: {"content_encoding", "unsupported Content-Encoding"},
	badBody:            {"body", "body could not be read"},
	bodyTooLarge:       {"body_too_large", "body is too large"},
	badSnappy:          {"snappy", "body is not snappy in block format"},
	decodedTooLarge:    {"decoded_too_large", "decompressed body is too large"},
	malformed:          {"malformed", "message is malformed"},
	tooManySeries:      {"too_many_series", "too many series in one request"},
	tooManySamples:     {"too_many_samples", "too many samples in one request"},
	tooManyObjects:     {"too_many_objects", "too many objects in one request"},
	overloaded:         {"overloaded", "overloaded"},
	closed:             {"closed", "shutting down"},

	missingName:       {"missing_name", "missing __name__"},
	emptyLabelName:    {"empty_label_name", "with an empty label name"},
	badUTF8:           {"bad_utf8", "with labels that are not UTF-8"},
	repeatedLabel:     {"repeated_label", "with a repeated label name"},
	tooManyLabels:     {"too_many_labels", "with too many labels"},
	labelNameTooLong:  {"label_name_too_long", "with too long a label name"},
	labelValueTooLong: {"label_value_too_long", "with too long a label value"},
	labelsTooLong:     {"labels_too_long", "with labels too long in all"},
	tooMuchNew:        {"too_much_new", "new beyond what one request may bring"},
	badReference:      {"bad_reference", "referring to symbols that are not there"},

	tooNew:       {"too_new", "too far in the future"},
	badHistogram: {"bad_histogram", "invalid as histogram"},
}

// label is the refusal as a metric label.
func (r refusal) label() string { return refusalTexts[r].label }

// String is the refusal in words that follow a count or stand alone.
func (r refusal) String() string { return refusalTexts[r].words }

// kind is what was refused.
type kind uint8

const (
	oneRequest kind = iota
	oneSeries
	oneSample
	oneHistogram
	oneExemplar
	oneMetadata

	kinds // how many there are
)

var kindNames = [kinds]string{"request", "series", "sample", "histogram", "exemplar", "metadata"}

// refusable lists every pair that can happen, so that each counter exists at zero.
func refusable(each func(kind, refusal)) {
	for r := badMethod; r <= closed; r++ {
		each(oneRequest, r)
	}
	for r := missingName; r <= badReference; r++ {
		each(oneSeries, r)
	}
	each(oneSample, tooNew)
	each(oneHistogram, tooNew)
	each(oneHistogram, badHistogram)
	each(oneExemplar, badReference)
	each(oneMetadata, badUTF8)
	each(oneMetadata, labelValueTooLong)
}
