package yamlstrict

import (
	"errors"
	"strings"
)

// RejectAll places what those found wrong who judge what was decoded: errors that
// were joined, each "path: what", with the path counted from the value at around. What
// could not be decoded was left at its default or empty, which says nothing further. It
// returns those that are a Mistake already, in another file.
func (f *File) RejectAll(around string, errs ...error) (elsewhere Mistakes) {
	var news []error
	for _, err := range Leaves(errs...) {
		if path, _, _ := strings.Cut(err.Error(), ": "); f.Sound(beneath(around, path)) {
			news = append(news, err)
		}
	}
	for _, err := range news {
		if m := (Mistake{}); errors.As(err, &m) {
			elsewhere = append(elsewhere, m)
			continue
		}
		path, what, _ := strings.Cut(err.Error(), ": ")
		f.Reject(beneath(around, path), "%s", what)
	}
	return elsewhere
}

// beneath is a path counted from the one at around.
func beneath(around, path string) string {
	if around == "" {
		return path
	}
	return around + "." + path
}

// Leaves are the errors that were joined, one by one.
func Leaves(errs ...error) []error {
	var all []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, Leaves(joined.Unwrap()...)...)
		} else if err != nil {
			all = append(all, err)
		}
	}
	return all
}
