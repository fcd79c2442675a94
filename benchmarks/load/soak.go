package main

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"
)

// soak finds the rate of a mix in its first tenth (at most 20 s), and then keeps up -load of it for
// -duration, shown in -windows.
func soak(queue string) result {
	l := newLedger()
	var stop, unpaced atomic.Bool
	var wg sync.WaitGroup
	for i := 0; i < *fW; i++ {
		wg.Add(1)
		go l.worker(i, queue, stop.Load, *fReports, *fGets, &wg)
	}
	probe := min(*fDur/10, 20*time.Second)
	unpaced.Store(true)
	l.produce(queue, func() bool { return unpaced.Load() }, nil, func() {
		time.Sleep(probe)
		unpaced.Store(false)
	})
	rate := float64(l.nDone.Load()) / probe.Seconds() * *fLoad
	var windows []result
	u := takeUsage()
	before := l.nDone.Load()
	end := u.t.Add(*fDur)
	l.produce(queue, func() bool { return time.Now().Before(end) }, paced(max(rate, 1), end), func() {
		for i := 0; i < *fWindows; i++ {
			windows = append(windows, l.window(queue, *fDur/time.Duration(*fWindows)))
		}
	})
	c := since(u, l.nDone.Load()-before)
	for limit := time.Now().Add(*fLimit); l.nDone.Load() < l.nCreated.Load() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	n := l.nDone.Load()
	ratio := result{}
	for _, of := range []string{"claim", "create_to_claim"} {
		first, last := p99(windows[0], of), p99(windows[len(windows)-1], of)
		if first > 0 {
			ratio[of] = r3(last / first)
		}
	}
	return result{"ratio": ratio, "rate_per_s": r3(rate), "throughput_per_s": r3(float64(n-before) / c.Wall), "tasks": n, "windows": windows,
		"cpu": c, "errors": l.errs, "account": l.account(queue, n >= l.nCreated.Load())}
}

func p99(window result, of string) float64 {
	if p, ok := window["latency_ms"].(result)[of].(*pct); ok {
		return p.P99
	}
	return 0
}

// produce has -c producers create while more says so, each creation at its turn, and runs meanwhile beside them.
func (l *ledger) produce(queue string, more func() bool, turn func(), meanwhile func()) {
	var wg sync.WaitGroup
	for i := 0; i < *fC; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := newC()
			defer k.close()
			for more() {
				if turn != nil {
					turn()
				} else if l.nCreated.Load()-l.nClaimed.Load() >= int64(*fOut) {
					time.Sleep(2 * time.Millisecond)
					continue
				}
				l.create(k, queue, true)
			}
		}()
	}
	meanwhile()
	wg.Wait()
}

// paced gives what returns rate times a second, whoever calls it, and at once after the end.
func paced(rate float64, end time.Time) func() {
	var n atomic.Int64
	start := time.Now()
	return func() {
		at := start.Add(time.Duration(float64(n.Add(1)) / rate * float64(time.Second)))
		time.Sleep(min(time.Until(at), time.Until(end)))
	}
}

// window is what a part of the time was like.
func (l *ledger) window(queue string, length time.Duration) result {
	l.resetLatencies()
	before := l.nDone.Load()
	u := takeUsage()
	time.Sleep(length)
	n := l.nDone.Load() - before
	c := since(u, n)
	server, _ := memoryMB(serverPids())
	es, _ := memoryMB(esPids())
	r := result{"tasks": n, "throughput_per_s": r3(float64(n) / c.Wall), "cpu": c, "latency_ms": l.latencies(), "server_rss_mb": server, "es_rss_mb": es}
	if *fES != "" {
		r["store"] = storeOf(queue)
	}
	return r
}

// storeOf gives how much a queue's index holds, and how much of that are deleted documents.
func storeOf(queue string) result {
	var s struct {
		All struct {
			Primaries struct {
				Docs  struct{ Count, Deleted int64 }
				Store struct {
					Size int64 `json:"size_in_bytes"`
				}
			} `json:"primaries"`
		} `json:"_all"`
	}
	if json.Unmarshal(esDo("GET", "/"+*fIndex+queue+"/_stats/docs,store", ""), &s) != nil {
		return nil
	}
	p := s.All.Primaries
	return result{"documents": p.Docs.Count, "deleted": p.Docs.Deleted, "deleted_ratio": r3(float64(p.Docs.Deleted) / float64(max(p.Docs.Count+p.Docs.Deleted, 1))), "mb": p.Store.Size >> 20}
}
