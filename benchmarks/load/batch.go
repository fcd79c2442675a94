package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Many tasks in one request. Items are accounted for each by itself.

type item struct {
	Status int    `json:"status"`
	ID     string `json:"id"`
}

// send gives what became of each item, or nothing if the request was not answered as it should.
func (l *ledger) send(k *conn, op, path, worker string, n int, body []byte) []item {
	st, b, err := k.do("POST", path, worker, body)
	if err != nil || st != 200 {
		l.fail(op, st, err)
		time.Sleep(5 * time.Millisecond)
		return nil
	}
	var r struct {
		Items []item `json:"items"`
	}
	if json.Unmarshal(b, &r) != nil || len(r.Items) != n {
		l.fail(op+"-json", st, nil)
		return nil
	}
	return r.Items
}

// createMany gives how many were created.
func (l *ledger) createMany(k *conn, queue string, n int) int {
	var b bytes.Buffer
	b.WriteString(`{"minimal":true,"items":[`)
	for i := 0; i < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(newTaskBody(queue))
	}
	b.WriteString("]}")
	t0 := time.Now()
	items := l.send(k, "create-many", "/tasques/create-many", "", n, b.Bytes())
	t1 := time.Now()
	if items == nil {
		l.nAmbiguous.Add(int64(n))
		return 0
	}
	l.createL.add(t1.Sub(t0))
	created := 0
	l.mu.Lock()
	for _, it := range items {
		if it.Status != 201 {
			l.errs["create-many item "+strconv.Itoa(it.Status)]++
			continue
		}
		l.created[it.ID] = t1
		delete(l.earlyClaims, it.ID)
		created++
	}
	l.mu.Unlock()
	l.nCreated.Add(int64(created))
	return created
}

// finishMany sends what is left up to four times, as markDone does.
func (l *ledger) finishMany(k *conn, worker string, tasks []apiTask) {
	for try := 0; try < 4 && len(tasks) > 0; try++ {
		var b bytes.Buffer
		b.WriteString(`{"minimal":true,"items":[`)
		for i, t := range tasks {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"queue":%q,"id":%q,"action":"done","data":{"ok":true}}`, t.Queue, t.ID)
		}
		b.WriteString("]}")
		t0 := time.Now()
		items := l.send(k, "finish-many", "/tasques/finish-many", worker, len(tasks), b.Bytes())
		if items == nil {
			continue
		}
		l.doneL.add(time.Since(t0))
		var left []apiTask
		l.mu.Lock()
		for i, it := range items {
			if it.Status == 200 {
				l.done[tasks[i].ID]++
			} else {
				l.errs["finish-many item "+strconv.Itoa(it.Status)]++
				left = append(left, tasks[i])
			}
		}
		l.mu.Unlock()
		l.nDone.Add(int64(len(tasks) - len(left)))
		tasks = left
	}
}

func batchCreate(queue string) result {
	l := newLedger()
	n, c := loops(newC, l, func(k *conn) int { return l.createMany(k, queue, *fBatch) })
	return result{"throughput_per_s": r3(float64(n) / c.Wall), "tasks": n, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, false)}
}

func batchLife(queue string) result {
	l := newLedger()
	var prodStop, allStop atomic.Bool
	var producers, workers sync.WaitGroup
	for i := 0; i < *fC; i++ {
		producers.Add(1)
		go func() {
			defer producers.Done()
			k := newC()
			defer k.close()
			for !prodStop.Load() {
				if l.nCreated.Load()-l.nClaimed.Load() >= int64(*fOut) {
					time.Sleep(time.Millisecond)
					continue
				}
				l.createMany(k, queue, *fBatch)
			}
		}()
	}
	for i := 0; i < *fW; i++ {
		workers.Add(1)
		go func(i int) {
			defer workers.Done()
			k := newC()
			defer k.close()
			id := fmt.Sprintf("bench-worker-%d", i)
			for !allStop.Load() {
				if tasks, ok := l.claim(k, id, []string{queue}, *fA, *fBlock); ok && len(tasks) > 0 {
					l.finishMany(k, id, tasks)
				}
			}
		}(i)
	}
	time.Sleep(*fWarm)
	before := l.nDone.Load()
	u := takeUsage()
	time.Sleep(*fDur)
	n := l.nDone.Load() - before
	c := since(u, n)
	prodStop.Store(true)
	producers.Wait()
	for limit := time.Now().Add(*fLimit); l.nDone.Load() < l.nCreated.Load() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	allStop.Store(true)
	workers.Wait()
	drained := l.nDone.Load() >= l.nCreated.Load()
	return result{"throughput_per_s": r3(float64(n) / c.Wall), "tasks": n, "drained": drained, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, drained)}
}
