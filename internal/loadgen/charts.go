package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/foreshock/foreshock/internal/plot"
)

// drawAll measures what the charts show and draws each as soon as it can.
func (o *options) drawAll(ctx context.Context, progress io.Writer) ([]result, error) {
	if err := os.MkdirAll(o.plots, 0o755); err != nil {
		return nil, err
	}
	var all []result
	for _, s := range sweeps() {
		if len(o.cpus) < s.cores() {
			fmt.Fprintf(progress, "%s is skipped: there are no %d cores here\n", s.file, s.cores())
			continue
		}
		results, err := o.measureAll(ctx, s.rows, progress)
		all = append(all, results...)
		if err != nil {
			return all, err
		}
		if err := s.draw(filepath.Join(o.plots, s.file), results); err != nil {
			return all, err
		}
	}
	return all, nil
}

// cores is how many its servers need.
func (s *sweep) cores() int {
	n := 0
	for i := range s.rows {
		n = max(n, s.rows[i].Cores)
	}
	return n
}

func (s *sweep) draw(path string, results []result) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := s.chart(results).PNG(f); err != nil {
		f.Close()
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return f.Close()
}

// chart has a line for each program and protocol. A row that failed leaves a hole.
func (s *sweep) chart(results []result) plot.Chart {
	c := plot.Chart{Title: s.title, X: s.x, Y: "ns of CPU a sample", Log: s.log}
	for _, program := range both {
		for _, p := range []protocol{rw1, rw2} {
			l := plot.Line{Name: program.title(), Label: fmt.Sprintf("%s, %s", program.title(), p), Dashed: p == rw2}
			for i := range results {
				r := &results[i]
				figures, measured := r.Medians[program]
				if r.Row.Protocol != p || !measured {
					continue
				}
				x, label := s.at(&r.Row)
				l.Points = append(l.Points, plot.Measured{X: x, Y: 1e9 / figures["samplesPerCPUSecond"], XLabel: label})
			}
			if len(l.Points) > 0 {
				c.Lines = append(c.Lines, l)
			}
		}
	}
	return c
}
