//go:build race

package receiver

// bodyMost is smaller under the race detector, which makes decoding twenty times
// slower; what it looks for does not depend on size.
const bodyMost = 2 << 20
