package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type ledger struct {
	mu      sync.Mutex
	created map[string]time.Time // id -> when the 201 was read
	claimed map[string]int
	done    map[string]int
	errs    map[string]int
	unknown int // claimed ids whose create never answered 201 (by the end)

	nCreated, nClaimed, nDone, nAmbiguous, nEmpty, nLate atomic.Int64
	createL, claimL, doneL, reportL, getL, e2eL, lifeL   samples
	earlyClaims                                          map[string]time.Time
}

func newLedger() *ledger {
	return &ledger{created: map[string]time.Time{}, claimed: map[string]int{}, done: map[string]int{},
		errs: map[string]int{}, earlyClaims: map[string]time.Time{}}
}

func (l *ledger) fail(op string, status int, err error) {
	k := op + " "
	if status > 0 {
		k += strconv.Itoa(status)
	} else {
		m := err.Error()
		switch {
		case strings.Contains(m, "timeout"):
			k += "timeout"
		case strings.Contains(m, "refused"):
			k += "refused"
		case strings.Contains(m, "EOF"), strings.Contains(m, "reset"), strings.Contains(m, "broken pipe"):
			k += "closed"
		default:
			k += m
		}
	}
	l.mu.Lock()
	l.errs[k]++
	l.mu.Unlock()
}

type apiTask struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
}

var seq atomic.Int64

func newTaskBody(queue string) []byte {
	i := seq.Add(1)
	pad := *fPayload - 24
	if pad < 0 {
		pad = 0
	}
	return []byte(fmt.Sprintf(`{"queue":%q,"kind":"bench","args":{"i":%d,"pad":%q}}`, queue, i, strings.Repeat("x", pad)))
}

// idOf reads the id out of a task's JSON without decoding all of it.
func idOf(b []byte) string {
	var t apiTask
	if json.Unmarshal(b, &t) != nil {
		return ""
	}
	return t.ID
}

func (l *ledger) create(k *conn, queue string, measured bool) (string, bool) {
	body := newTaskBody(queue)
	t0 := time.Now()
	st, b, err := k.do("POST", "/tasques", "", body)
	t1 := time.Now()
	if err != nil || st != 201 {
		l.fail("create", st, err)
		if err == nil || !strings.HasPrefix(err.Error(), "dial") {
			l.nAmbiguous.Add(1)
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
		}
		return "", false
	}
	id := idOf(b)
	if id == "" {
		l.fail("create-no-id", st, nil)
		return "", false
	}
	l.mu.Lock()
	l.created[id] = t1
	if tc, ok := l.earlyClaims[id]; ok { // claimed before our 201 was read
		delete(l.earlyClaims, id)
		_ = tc
		l.mu.Unlock()
		l.e2eL.add(0)
	} else {
		l.mu.Unlock()
	}
	l.nCreated.Add(1)
	if measured {
		l.createL.add(t1.Sub(t0))
	}
	return id, true
}

func (l *ledger) claim(k *conn, worker string, queues []string, amount int, block time.Duration) ([]apiTask, bool) {
	q, _ := json.Marshal(queues)
	body := []byte(fmt.Sprintf(`{"queues":%s,"amount":%d,"block_for":%q}`, q, amount, block.String()))
	t0 := time.Now()
	st, b, err := k.do("POST", "/tasques/claims", worker, body)
	t1 := time.Now()
	if err != nil || st != 200 {
		l.fail("claim", st, err)
		time.Sleep(5 * time.Millisecond)
		return nil, false
	}
	var ts []apiTask
	if err := json.Unmarshal(b, &ts); err != nil {
		l.fail("claim-json", st, nil)
		return nil, false
	}
	if len(ts) == 0 {
		l.nEmpty.Add(1)
		return ts, true
	}
	l.claimL.add(t1.Sub(t0))
	if len(ts) > amount {
		l.fail("claim-too-many", st, nil)
	}
	l.mu.Lock()
	var e2e []time.Duration
	for _, t := range ts {
		l.claimed[t.ID]++
		if at, ok := l.created[t.ID]; ok {
			e2e = append(e2e, t1.Sub(at))
		} else {
			l.earlyClaims[t.ID] = t1
		}
	}
	l.mu.Unlock()
	for _, d := range e2e {
		l.e2eL.add(d)
	}
	l.nClaimed.Add(int64(len(ts)))
	return ts, true
}

// markDone tries up to four times: a version conflict or a dropped connection is
// a thing a real worker tries again. Each failure is counted.
func (l *ledger) markDone(k *conn, worker string, t apiTask) bool {
	path := "/tasques/done/" + t.Queue + "/" + t.ID
	for try := 0; try < 4; try++ {
		t0 := time.Now()
		st, _, err := k.do("PUT", path, worker, []byte(`{"data":{"ok":true}}`))
		if err == nil && st == 200 {
			l.doneL.add(time.Since(t0))
			l.mu.Lock()
			l.done[t.ID]++
			if at, ok := l.created[t.ID]; ok {
				d := time.Since(at)
				l.mu.Unlock()
				l.lifeL.add(d)
			} else {
				l.mu.Unlock()
			}
			l.nDone.Add(1)
			return true
		}
		l.fail("done", st, err)
		time.Sleep(time.Duration(5<<try) * time.Millisecond)
	}
	return false
}

func (l *ledger) report(k *conn, worker string, t apiTask) {
	t0 := time.Now()
	st, _, err := k.do("PUT", "/tasques/reports/"+t.Queue+"/"+t.ID, worker, []byte(`{"data":{"progress":50}}`))
	if err != nil || st != 200 {
		l.fail("report", st, err)
		return
	}
	l.reportL.add(time.Since(t0))
}

func (l *ledger) get(k *conn, t apiTask) {
	t0 := time.Now()
	st, _, err := k.do("GET", "/tasques/"+t.Queue+"/"+t.ID, "", nil)
	if err != nil || st != 200 {
		l.fail("get", st, err)
		return
	}
	l.getL.add(time.Since(t0))
}

type result map[string]any

func (l *ledger) latencies() result {
	m := result{}
	for k, s := range map[string]*samples{"create": &l.createL, "claim": &l.claimL, "done": &l.doneL, "report": &l.reportL, "get": &l.getL, "create_to_claim": &l.e2eL, "create_to_done": &l.lifeL} {
		if p := s.pct(); p != nil {
			m[k] = p
		}
	}
	return m
}

func newC() *conn { return newConn(target, auth, *fReqTimeout) }
