package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// first takes a step by itself: the index it makes takes its time, which nobody is to be charged with.
func first(dial func() *conn, step func(k *conn) int) {
	k := dial()
	defer k.close()
	step(k)
}

// loops has each of -c connections take one step after another, and after -warmup counts for
// -duration what the steps say they did. Latencies are those of the counted time.
func loops(dial func() *conn, l *ledger, step func(k *conn) int) (int64, cpu) {
	var phase atomic.Int32 // 0 warm-up, 1 measured, 2 stop
	var n atomic.Int64
	var wg sync.WaitGroup
	first(dial, step)
	for i := 0; i < *fC; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := dial()
			defer k.close()
			for {
				p := phase.Load()
				if p == 2 {
					return
				}
				if did := step(k); p == 1 && phase.Load() == 1 {
					n.Add(int64(did))
				}
			}
		}()
	}
	time.Sleep(*fWarm)
	l.resetLatencies()
	u := takeUsage()
	phase.Store(1)
	time.Sleep(*fDur)
	phase.Store(2)
	did := n.Load()
	c := since(u, did)
	wg.Wait()
	return did, c
}

func (l *ledger) resetLatencies() {
	for _, s := range []*samples{&l.createL, &l.claimL, &l.doneL, &l.reportL, &l.getL, &l.e2eL, &l.lifeL} {
		s.reset()
	}
}
