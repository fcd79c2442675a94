package main

import (
	"fmt"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

func (l *ledger) worker(i int, queue string, stop func() bool, reports, gets float64, wg *sync.WaitGroup) {
	defer wg.Done()
	k := newC()
	defer k.close()
	id := fmt.Sprintf("bench-worker-%d", i)
	rnd := rand.New(rand.NewSource(int64(i)))
	for !stop() {
		ts, ok := l.claim(k, id, []string{queue}, *fA, *fBlock)
		if !ok {
			continue
		}
		for _, t := range ts {
			if rnd.Float64() < reports {
				l.report(k, id, t)
			}
			if rnd.Float64() < gets {
				l.get(k, t)
			}
			l.markDone(k, id, t)
		}
	}
}

func drain(queue string) result {
	l := newLedger()
	pre := l.put(queue, *fN)
	var wg sync.WaitGroup
	want := l.nCreated.Load()
	u := takeUsage()
	deadline := u.t.Add(*fLimit)
	var last atomic.Int64 // nanoseconds of the latest done, for a clean end time
	stop := func() bool { return l.nDone.Load() >= want || time.Now().After(deadline) }
	go func() {
		for !stop() {
			time.Sleep(time.Millisecond)
		}
		last.Store(int64(time.Since(u.t)))
	}()
	for i := 0; i < *fW; i++ {
		wg.Add(1)
		go l.worker(i, queue, stop, 0, 0, &wg)
	}
	for last.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	nd := l.nDone.Load()
	c := since(u, nd)
	wall := time.Duration(last.Load()).Seconds()
	wg.Wait()
	drained := l.nDone.Load() >= want
	l.e2eL.v, l.lifeL.v = nil, nil // meaningless here: the tasks waited in the queue
	return result{"throughput_per_s": r3(float64(nd) / wall), "tasks": nd, "drained": drained, "preload_s": r3(pre.Seconds()), "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, drained)}
}
