package main

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

func handoff(queue string) result {
	l := newLedger()
	kp, kw := newC(), newConn(workerTarget, auth, *fReqTimeout)
	defer kp.close()
	defer kw.close()
	var stop atomic.Bool
	got := make(chan time.Time, 16) // when the claim's answer was read
	var wg sync.WaitGroup
	// The index must exist, and be searched, before the first sample.
	l.create(kp, queue, false)
	wg.Add(1)
	go func() {
		defer wg.Done()
		for !stop.Load() {
			ts, ok := l.claim(kw, "bench-handoff", []string{queue}, 1, *fBlock)
			at := time.Now()
			if !ok {
				continue
			}
			for _, t := range ts {
				l.markDone(kw, "bench-handoff", t)
				got <- at
			}
		}
	}()
	<-got
	l.e2eL.v, l.claimL.v, l.doneL.v, l.lifeL.v = nil, nil, nil, nil
	var whole samples
	rnd := rand.New(rand.NewSource(1))
	u := takeUsage()
	for i := 0; i < *fN; i++ {
		// idle for a seventh to thirteen sevenths of the mean (50 to 650 ms by default), so that no
		// phase of a poll or a refresh is favoured
		time.Sleep(*fGap/7 + time.Duration(rnd.Int63n(int64(*fGap)*12/7)))
		sent := time.Now()
		if _, ok := l.create(kp, queue, true); ok {
			select {
			case at := <-got:
				whole.add(at.Sub(sent))
			case <-time.After(*fTimeout):
				l.fail("handoff-timeout", 1, nil)
			}
		}
	}
	c := since(u, int64(*fN))
	stop.Store(true)
	wg.Wait()
	l.claimL.v = nil
	latencies := l.latencies()
	latencies["sent_to_claim"] = whole.pct()
	return result{"cpu": c, "latency_ms": latencies, "errors": l.errs, "account": l.account(queue, true)}
}
