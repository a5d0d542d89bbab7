package detector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Thresholds must not depend on which shard was first, nor on how many there are.
func TestThresholdsDependOnTheBatchesAlone(t *testing.T) {
	batches := mixed(3, 900)
	first := &rules.Set{Watches: []*rules.Watch{
		{Name: "load", Select: selecting("load"), Sensitivity: 1, Emit: rules.EmitAll, Scope: &rules.Scope{Name: "load", Budget: rules.Weekly(100)}},
		{Name: "ticks", Select: selecting("ticks_total"), Sensitivity: 2},
	}}
	second := &rules.Set{Watches: []*rules.Watch{
		{Name: "all", Select: append(selecting("ticks_total"), selecting("rpc")...), Sensitivity: 1, Scope: &rules.Scope{Name: "all", Budget: rules.Weekly(300)}},
		first.Watches[0],
	}}
	cfg := DefaultConfig()
	cfg.AlertBudget = rules.Weekly(200)
	var want string
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Config: cfg, Rules: first, Shards: shards})
		var got bytes.Buffer
		for i, batch := range batches {
			switch i {
			case 500:
				b.SetRules(second)
			case 655:
				c := cfg
				c.AlertBudget = rules.Weekly(20)
				b.SetConfig(c)
			}
			b.batch(batch)
			if i%50 == 49 {
				b.settle()
				fmt.Fprintf(&got, "%x\n", b.Status().Budgets)
			}
		}
		b.stop()
		for _, f := range b.found {
			encode(&got, f)
		}
		if last := b.Status().Budgets; last[0].Threshold == cfg.Threshold || last[1].Threshold == cfg.Threshold {
			t.Errorf("no threshold moved: %+v", last)
		}
		if want == "" {
			want = got.String()
		} else if got.String() != want {
			t.Errorf("%d shards: other findings or budgets", shards)
		}
	}
}

// Shards wait for each other at a meeting. Whatever is going on, they must not do so
// for ever: run under any number of shards, with reloads and a search going on, and
// closed in the middle.
func TestMeetingsEnd(t *testing.T) {
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Config: DefaultConfig(), Rules: budgeted(), Shards: shards})
		var all sync.WaitGroup
		all.Go(func() {
			for i := 0; ; i++ {
				// Each of these moves the clock by a period or more.
				x := foreshock.Sample{Series: series("load", "n", fmt.Sprint(i%20)), T: start + int64(i)*period, V: float64(i)}
				if errors.Is(b.Append(context.Background(), &foreshock.Batch{Samples: []foreshock.Sample{x}}), foreshock.ErrClosed) {
					return
				}
			}
		})
		for range 2 {
			all.Go(func() {
				for range 50 {
					b.SetRules(budgeted())
					b.SetConfig(DefaultConfig())
				}
			})
		}
		all.Go(func() {
			for range 20 {
				if _, err := b.Select(context.Background(), nil, 0); err != nil {
					return
				}
			}
			b.Close()
		})
		all.Wait()
		<-b.done
	}
}

// Rarity is what explains a score to people: it is a share of all samples like it.
func TestRarityOfAScore(t *testing.T) {
	b := run(t, Options{Rules: everything(), Shards: 2})
	for _, batch := range fleetOf(120, 6*288, 5*time.Minute) {
		b.batch(batch)
	}
	b.stop()
	s := b.shards[0].settings
	for _, c := range []class{matureGauge, matureRate, matureLatency, youngGauge} {
		if usual, rare := s.P(c, 0), s.P(c, 0.9); usual != 1 || rare > 1e-3 || rare <= 0 {
			t.Errorf("%s: a score of 0 has p = %g, one of 0.9 %g", c, usual, rare)
		}
	}
}
