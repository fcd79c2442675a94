package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// idle: -pollers workers long-poll one empty queue. Phase "idle" measures the CPU
// with nothing else; phase "other" creates at -rate in another queue; phase
// "same" creates at a quarter of -rate in the polled queue and measures the hand-off.
func idle(queue string) result {
	l := newLedger()
	other := queue + "-other"
	k := newC()
	defer k.close()
	l.create(k, queue, false) // so that the index exists
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := 0; i < *fPollers; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			k := newC()
			defer k.close()
			id := fmt.Sprintf("bench-poller-%d", i)
			for !stop.Load() {
				ts, ok := l.claim(k, id, []string{queue}, 1, *fBlock)
				if !ok {
					time.Sleep(20 * time.Millisecond)
				}
				for _, t := range ts {
					l.markDone(k, id, t)
				}
			}
		}(i)
		if i%50 == 49 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	lo := newLedger()
	lo.create(k, other, false)
	for end := time.Now().Add(*fTimeout); l.nDone.Load() == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(*fWarm)
	r := result{"pollers": *fPollers}
	empty0 := l.nEmpty.Load()
	u := takeUsage()
	time.Sleep(*fDur)
	c := since(u, 0)
	r["idle"] = result{"cpu": c, "server_cores": r3(c.Server / c.Wall), "es_cores": r3(c.ES / c.Wall), "empty_claims_per_s": r3(float64(l.nEmpty.Load()-empty0) / c.Wall)}
	pace := func(rate float64, f func(k *conn)) cpu {
		u := takeUsage()
		var wg sync.WaitGroup
		ks := make(chan *conn, 64)
		for i := 0; i < 64; i++ {
			ks <- newC()
		}
		gap := time.Duration(float64(time.Second) / rate)
		for next, end := u.t, u.t.Add(*fDur); next.Before(end); next = next.Add(gap) {
			time.Sleep(time.Until(next))
			k := <-ks
			wg.Add(1)
			go func() { defer wg.Done(); f(k); ks <- k }()
		}
		wg.Wait()
		return since(u, 0)
	}
	c = pace(*fRate, func(k *conn) { lo.create(k, other, true) })
	r["other_queue"] = result{"cpu": c, "server_cores": r3(c.Server / c.Wall), "es_cores": r3(c.ES / c.Wall), "latency_ms": lo.latencies(), "errors": lo.errs}
	l.e2eL.v, l.claimL.v, l.doneL.v, l.lifeL.v = nil, nil, nil, nil
	c = pace(*fRate/4, func(k *conn) { l.create(k, queue, true) })
	for end := time.Now().Add(*fTimeout); l.nDone.Load() < l.nCreated.Load() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	l.claimL.v = nil
	r["same_queue"] = result{"cpu": c, "server_cores": r3(c.Server / c.Wall), "es_cores": r3(c.ES / c.Wall), "latency_ms": l.latencies()}
	addMemory(r)
	stop.Store(true)
	wg.Wait()
	r["errors"] = l.errs
	r["account"] = l.account(queue, true)
	return r
}
