package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

// profile has the server, where that is Foreshock, write a CPU profile of the next ten
// seconds into the file, unless its name is "". The error comes when it is done.
func (s *server) profile(ctx context.Context, file string) <-chan error {
	done := make(chan error, 1)
	if file == "" || s.program != foreshock {
		done <- nil
		return done
	}
	go func() { done <- download(ctx, s.url("/debug/pprof/profile?seconds=10"), file) }()
	return done
}

func download(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, answer.Body); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
