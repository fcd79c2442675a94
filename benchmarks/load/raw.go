package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The ceiling: what a server would do if it cost nothing itself. Elasticsearch is driven by -c
// loops with _bulk and _search alone, -batch documents at a time.

var rawSeq atomic.Int64

func rawDocument(queue, state string, id string) document {
	return document{id: id, queue: queue, state: state, runAt: time.Now()}
}

func newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("raw-%016d", rawSeq.Add(1))
	}
	return ids
}

func withState(queue, state string, ids []string) []document {
	docs := make([]document, len(ids))
	for i, id := range ids {
		docs[i] = rawDocument(queue, state, id)
	}
	return docs
}

func rawResult(queue string, units int64, c cpu, l *ledger, state string) result {
	esDo("POST", "/"+*fIndex+queue+"/_refresh", "")
	var counted struct {
		Count int `json:"count"`
	}
	json.Unmarshal(esDo("POST", "/"+*fIndex+queue+"/_count", fmt.Sprintf(`{"query":{"term":{"state":%q}}}`, state)), &counted)
	written := int(rawSeq.Load())
	a := account{Created: written, ExactlyOnce: counted.Count == written}
	if state == "done" {
		a.Done = counted.Count
	}
	return result{"throughput_per_s": r3(float64(units) / c.Wall), "tasks": units, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": a}
}

func rawCreate(queue string) result {
	l := newLedger()
	n, c := loops(newEsC, l, func(k *conn) int {
		t0 := time.Now()
		bulk(k, withState(queue, "queued", newIDs(*fBatch)), nil)
		l.createL.add(time.Since(t0))
		return *fBatch
	})
	return rawResult(queue, n, c, l, "queued")
}

// rawLife takes tasks through create, claim and done in three bulks, with a search for claimable
// tasks between, as a server has to.
func rawLife(queue string) result {
	l := newLedger()
	n, c := loops(newEsC, l, func(k *conn) int {
		t0 := time.Now()
		ids := newIDs(*fBatch)
		versions := bulk(k, withState(queue, "queued", ids), nil)
		t1 := time.Now()
		claimable(k, queue, *fBatch, nil)
		versions = bulk(k, withState(queue, "claimed", ids), versions)
		t2 := time.Now()
		bulk(k, withState(queue, "done", ids), versions)
		l.createL.add(t1.Sub(t0))
		l.claimL.add(t2.Sub(t1))
		l.doneL.add(time.Since(t2))
		return *fBatch
	})
	return rawResult(queue, n, c, l, "done")
}

type hit struct {
	ID   string            `json:"_id"`
	Seq  int64             `json:"_seq_no"`
	Term int64             `json:"_primary_term"`
	Sort []json.RawMessage `json:"sort"`
}

// claimable gives a page of the tasks that wait, in the order of claims.
func claimable(k *conn, queue string, size int, after []json.RawMessage) []hit {
	query := map[string]any{
		"size": size, "seq_no_primary_term": true, "track_total_hits": false,
		"sort":  []any{map[string]any{"rank": "asc"}},
		"query": map[string]any{"bool": map[string]any{"filter": []any{map[string]any{"terms": map[string]any{"state": []string{"queued", "failed"}}}, map[string]any{"range": map[string]any{"run_at": map[string]any{"lte": "now"}}}}}},
	}
	if after != nil {
		query["search_after"] = after
	}
	body, _ := json.Marshal(query)
	var r struct {
		Hits struct {
			Hits []hit `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(esMust(k, "POST", "/"+*fIndex+queue+"/_search?request_cache=false", body), &r); err != nil {
		fatal("a search's answer makes no sense: " + err.Error())
	}
	return r.Hits.Hits
}

// rawDrain puts -n tasks in, and takes them through claim and done: one loop searches, and -c loops
// write what it found.
func rawDrain(queue string) result {
	// No two ranks are equal, so that a page begins where the last one ended.
	start := time.Now()
	ids := newIDs(*fN)
	bulk(newEsC(), withState(queue, "queued", ids[:1]), nil)
	fill(*fN-1, func(i int) document {
		return document{id: ids[i+1], queue: queue, state: "queued", runAt: start.Add(time.Duration(i-*fN) * time.Millisecond)}
	})
	l := newLedger()
	pages := make(chan []hit, *fC)
	u := takeUsage()
	go func() {
		defer close(pages)
		k := newEsC()
		defer k.close()
		var after []json.RawMessage
		for {
			page := claimable(k, queue, *fBatch, after)
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].Sort
			pages <- page
		}
	}()
	var n atomic.Int64
	var wg sync.WaitGroup
	for i := 0; i < *fC; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := newEsC()
			defer k.close()
			for page := range pages {
				var found []string
				var versions []place
				for _, h := range page {
					found = append(found, h.ID)
					versions = append(versions, place{Seq: h.Seq, Term: h.Term})
				}
				t0 := time.Now()
				versions = bulk(k, withState(queue, "claimed", found), versions)
				t1 := time.Now()
				bulk(k, withState(queue, "done", found), versions)
				l.claimL.add(t1.Sub(t0))
				l.doneL.add(time.Since(t1))
				n.Add(int64(len(page)))
			}
		}()
	}
	wg.Wait()
	return rawResult(queue, n.Load(), since(u, n.Load()), l, "done")
}
