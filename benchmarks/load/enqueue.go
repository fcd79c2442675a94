package main

import (
	"sync"
	"sync/atomic"
	"time"
)

func enqueue(queue string) result {
	l := newLedger()
	var phase atomic.Int32 // 0 warm-up, 1 measured, 2 stop
	var n atomic.Int64
	var wg sync.WaitGroup
	for i := 0; i < *fC; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := newC()
			defer k.close()
			for {
				p := phase.Load()
				if p == 2 {
					return
				}
				if _, ok := l.create(k, queue, p == 1); ok && p == 1 {
					n.Add(1)
				}
			}
		}()
	}
	time.Sleep(*fWarm)
	u := takeUsage()
	phase.Store(1)
	time.Sleep(*fDur)
	phase.Store(2)
	done := n.Load()
	c := since(u, done)
	wg.Wait()
	return result{"throughput_per_s": r3(float64(done) / c.Wall), "tasks": done, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, false)}
}
