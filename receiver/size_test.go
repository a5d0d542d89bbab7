//go:build !race

package receiver

// bodyMost is the size hostile requests are made of: the largest body accepted.
const bodyMost = 12 << 20
