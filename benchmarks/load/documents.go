package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Documents of tasks as the server writes them, put into Elasticsearch without it.

type document struct {
	id       string
	queue    string
	state    string // queued, claimed or done
	priority int
	runAt    time.Time
}

// rank is what the server sorts claims by: highest priority first, then the longest due, and behind
// all of them what does not wait.
func (d document) rank() int64 {
	if d.state != "queued" {
		return math.MaxInt64
	}
	return int64(-d.priority)<<48 + d.runAt.UnixMilli()
}

func (d document) writeTo(b *bytes.Buffer) {
	at := d.runAt.UTC().Format(time.RFC3339Nano)
	attempts := 26
	if d.state != "queued" {
		attempts = 25
	}
	fmt.Fprintf(b, `{"id":%q,"queue":%q,"retry_times":25,"remaining_attempts":%d,"kind":"bench","state":%q,"run_at":%q,"processing_timeout":1800000000000,"priority":%d,"last_enqueued_at":%q,"metadata":{"created_at":%q,"modified_at":%q},"args":{"pad":%q},"rank":%d`,
		d.id, d.queue, attempts, d.state, at, d.priority, at, at, at, strings.Repeat("x", max(0, *fPayload-10)), d.rank())
	if d.state != "queued" {
		fmt.Fprintf(b, `,"last_claimed":{"worker_id":"bench-worker-1","claimed_at":%q,"times_out_at":%q`, at, at)
		if d.state == "done" {
			fmt.Fprintf(b, `,"result":{"at":%q,"success":{"ok":true}}`, at)
		}
		b.WriteString("}")
	}
	b.WriteString(`,"ext":{"v":1}}`)
}

// place is a written document's version, for the next compare-and-set.
type place struct {
	Status int   `json:"status"`
	Seq    int64 `json:"_seq_no"`
	Term   int64 `json:"_primary_term"`
}

const outcomes = "?filter_path=errors,items.*.status,items.*._seq_no,items.*._primary_term"

// esMust ends the program where Elasticsearch does not do what it is asked.
func esMust(k *conn, method, path string, body []byte) []byte {
	st, b, err := k.do(method, path, "", body)
	if err != nil || st >= 300 {
		fatal(fmt.Sprintf("%s %s: %d %v %s", method, path, st, err, b[:min(len(b), 400)]))
	}
	return b
}

func newEsC() *conn {
	if *fES == "" {
		fatal("-es is needed")
	}
	return newConn(hostOf(*fES), "", 120*time.Second)
}

// bulk writes documents, each new where versions is nil and else by compare-and-set, and gives
// their versions. Every item must succeed.
func bulk(k *conn, docs []document, versions []place) []place {
	var b bytes.Buffer
	for i, d := range docs {
		if versions == nil {
			fmt.Fprintf(&b, `{"create":{"_id":%q}}`+"\n", d.id)
		} else {
			fmt.Fprintf(&b, `{"index":{"_id":%q,"if_seq_no":%d,"if_primary_term":%d}}`+"\n", d.id, versions[i].Seq, versions[i].Term)
		}
		d.writeTo(&b)
		b.WriteByte('\n')
	}
	var r struct {
		Items []map[string]place `json:"items"`
	}
	answer := esMust(k, "POST", "/"+*fIndex+docs[0].queue+"/_bulk"+outcomes, b.Bytes())
	if err := json.Unmarshal(answer, &r); err != nil || len(r.Items) != len(docs) {
		fatal("a bulk's answer makes no sense: " + string(answer[:min(len(answer), 400)]))
	}
	written := make([]place, 0, len(docs))
	for _, item := range r.Items {
		for _, p := range item {
			if p.Status >= 300 {
				fatal(fmt.Sprintf("an item of a bulk was refused: %d", p.Status))
			}
			written = append(written, p)
		}
	}
	return written
}

// fill puts n documents in by three connections, and has them shown at its end.
func fill(n int, make func(i int) document) time.Duration {
	const size = 2000
	t0 := time.Now()
	queue := make(0).queue
	k := newEsC()
	defer k.close()
	setting := func(v string) {
		esMust(k, "PUT", "/"+*fIndex+queue+"/_settings", []byte(`{"index":{"refresh_interval":`+v+`}}`))
	}
	setting(`"-1"`)
	var next atomic.Int64
	var wg sync.WaitGroup
	for c := 0; c < 3; c++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := newEsC()
			defer k.close()
			for {
				from := int(next.Add(size)) - size
				if from >= n {
					return
				}
				var docs []document
				for i := from; i < min(n, from+size); i++ {
					docs = append(docs, make(i))
				}
				bulk(k, docs, nil)
			}
		}()
	}
	wg.Wait()
	setting("null")
	esMust(k, "POST", "/"+*fIndex+queue+"/_refresh", nil)
	return time.Since(t0)
}
