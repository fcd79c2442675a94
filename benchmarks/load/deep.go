package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// deep measures claims at growing depth of one queue: with 1,000 ready tasks, with -n, and with
// -future ones of higher priority and -done ones beside. Elasticsearch is filled by itself, so that
// the server knows of none of them.
func deep(queue string) result {
	l := newLedger()
	k := newC()
	l.create(k, queue, false) // the server makes the index
	k.close()
	const shallow = 1000
	ready := func(offset int) func(int) document {
		return func(i int) document {
			n := offset + i
			at := time.Now().Add(-time.Hour + time.Duration(n)*time.Millisecond/1000)
			return document{id: fmt.Sprintf("deep-ready-%010d", n), queue: queue, state: "queued", priority: n * 7919 % 3, runAt: at}
		}
	}
	phases := result{}
	r := result{"phases": phases, "errors": l.errs}
	fill(shallow, ready(0))
	phases["shallow"] = l.claims(queue)
	filled := shallow
	if *fN > shallow {
		r["fill_s"] = r3(fill(*fN-shallow, ready(shallow)).Seconds())
		filled = *fN
		phases["deep"] = l.claims(queue)
	}
	if *fFuture+*fDone > 0 {
		year := time.Now().AddDate(1, 0, 0)
		fill(*fFuture, func(i int) document {
			return document{id: fmt.Sprintf("deep-future-%010d", i), queue: queue, state: "queued", priority: 10, runAt: year.Add(time.Duration(i) * time.Millisecond)}
		})
		fill(*fDone, func(i int) document {
			return document{id: fmt.Sprintf("deep-done-%010d", i), queue: queue, state: "done", runAt: time.Now().Add(-2 * time.Hour)}
		})
		phases["beside"] = l.claims(queue)
	}
	a := l.account(queue, false)
	a.Created += filled
	a.ClaimedAlien, a.NeverClaimed = l.strangers(), a.Created-len(l.claimed)
	a.ExactlyOnce = a.ClaimedTwice == 0 && a.ClaimedAlien == 0 && a.Done == len(l.claimed) &&
		a.TotalInES != nil && *a.TotalInES == a.Created+*fFuture+*fDone &&
		a.DoneInES != nil && *a.DoneInES == a.Done+*fDone
	r["account"] = a
	return r
}

// claims has -w workers claim and finish until there were -claims claims, and gives how long they took.
func (l *ledger) claims(queue string) result {
	l.resetLatencies()
	before := l.nDone.Load()
	deadline := time.Now().Add(*fLimit)
	var left atomic.Int64
	left.Store(int64(*fClaims))
	var wg sync.WaitGroup
	u := takeUsage()
	for i := 0; i < *fW; i++ {
		wg.Add(1)
		go l.worker(i, queue, func() bool { return left.Add(-1) < 0 || time.Now().After(deadline) }, 0, 0, &wg)
	}
	wg.Wait()
	n := l.nDone.Load() - before
	c := since(u, n)
	rss, _ := memoryMB(serverPids())
	latencies := l.latencies()
	delete(latencies, "create_to_claim")
	delete(latencies, "create_to_done")
	return result{"tasks": n, "throughput_per_s": r3(float64(n) / c.Wall), "cpu": c, "latency_ms": latencies, "server_rss_mb": rss}
}

// strangers counts what was claimed and neither created here nor filled in as ready.
func (l *ledger) strangers() int {
	n := 0
	for id := range l.claimed {
		if _, ours := l.created[id]; !ours && !strings.HasPrefix(id, "deep-ready-") {
			n++
		}
	}
	return n
}
