package main

import (
	"sync"
	"sync/atomic"
	"time"
)

func mix(queue string) result {
	l := newLedger()
	var prodStop, allStop atomic.Bool
	var pw, ww sync.WaitGroup
	u := takeUsage()
	for i := 0; i < *fC; i++ {
		pw.Add(1)
		go func() {
			defer pw.Done()
			k := newC()
			defer k.close()
			for !prodStop.Load() {
				if l.nCreated.Load()-l.nClaimed.Load() >= int64(*fOut) {
					time.Sleep(2 * time.Millisecond)
					continue
				}
				l.create(k, queue, true)
			}
		}()
	}
	var deadline atomic.Int64
	deadline.Store(int64(time.Hour))
	start := time.Now()
	stop := func() bool { return allStop.Load() || int64(time.Since(start)) > deadline.Load() }
	for i := 0; i < *fW; i++ {
		ww.Add(1)
		go l.worker(i, queue, stop, *fReports, *fGets, &ww)
	}
	time.Sleep(*fDur)
	prodStop.Store(true)
	pw.Wait()
	deadline.Store(int64(time.Since(start) + *fLimit))
	for !stop() && l.nDone.Load() < l.nCreated.Load() {
		time.Sleep(time.Millisecond)
	}
	nd := l.nDone.Load()
	c := since(u, nd)
	allStop.Store(true)
	ww.Wait()
	drained := l.nDone.Load() >= l.nCreated.Load()
	return result{"throughput_per_s": r3(float64(nd) / c.Wall), "tasks": nd, "drained": drained, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, drained)}
}
