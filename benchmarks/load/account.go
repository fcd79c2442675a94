package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

type account struct {
	Created       int   `json:"created"`
	Ambiguous     int64 `json:"creates_ambiguous"`
	ClaimedOnce   int   `json:"claimed_once"`
	ClaimedTwice  int   `json:"claimed_more_than_once"`
	ClaimedAlien  int   `json:"claimed_without_our_201"`
	NeverClaimed  int   `json:"never_claimed"`
	Done          int   `json:"done"`
	DoneInES      *int  `json:"done_in_es,omitempty"`
	TotalInES     *int  `json:"total_in_es,omitempty"`
	Archived      int   `json:"of_which_archived"`
	ExactlyOnce   bool  `json:"exactly_once"`
	EmptyResponse int64 `json:"empty_claims"`
}

func (l *ledger) account(queue string, expectDrained bool) account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := account{Created: len(l.created), Ambiguous: l.nAmbiguous.Load(), Done: len(l.done), EmptyResponse: l.nEmpty.Load()}
	for id, n := range l.claimed {
		if n > 1 {
			a.ClaimedTwice++
		} else {
			a.ClaimedOnce++
		}
		if _, ok := l.created[id]; !ok {
			a.ClaimedAlien++
		}
	}
	for id := range l.created {
		if l.claimed[id] == 0 {
			a.NeverClaimed++
		}
	}
	ok := a.ClaimedTwice == 0
	if !expectDrained && len(l.claimed) > 0 {
		ok = ok && a.Done == len(l.claimed)
	}
	if expectDrained {
		ok = ok && a.NeverClaimed == 0 && a.Done == a.Created+a.ClaimedAlien
	}
	if *fES != "" {
		esDo("POST", "/"+*fIndex+queue+"/_refresh", "")
		cnt := func(index, query string) *int {
			b := esDo("POST", "/"+index+"/_count?ignore_unavailable=true", `{"query":{"bool":{"filter":[`+query+`]}}}`)
			var r struct {
				Count *int `json:"count"`
			}
			if json.Unmarshal(b, &r) != nil {
				return nil
			}
			return r.Count
		}
		done := `{"term":{"state":"done"}}`
		a.TotalInES = cnt(*fIndex+queue, `{"match_all":{}}`)
		a.DoneInES = cnt(*fIndex+queue, done)
		if *fArchive != "" {
			// whichever of the two mappings the archive has: text with a keyword, or keyword
			of := fmt.Sprintf(`{"bool":{"should":[{"term":{"queue.keyword":%q}},{"term":{"queue":%q}}]}}`, queue, queue)
			esDo("POST", "/"+*fArchive+"/_refresh?ignore_unavailable=true", "")
			if n := cnt(*fArchive, of); n != nil && a.TotalInES != nil {
				*a.TotalInES += *n
				a.Archived = *n
			}
			if n := cnt(*fArchive, of+","+done); n != nil && a.DoneInES != nil {
				*a.DoneInES += *n
			}
		}
		if a.TotalInES != nil {
			ok = ok && *a.TotalInES >= a.Created && *a.TotalInES <= a.Created+int(a.Ambiguous)
		}
		if a.DoneInES != nil {
			ok = ok && *a.DoneInES == a.Done
		}
	}
	a.ExactlyOnce = ok
	return a
}

func esDo(method, path, body string) []byte {
	req, _ := http.NewRequest(method, *fES+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return b
}
