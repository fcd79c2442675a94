package main

import (
	"sort"
	"sync"
	"time"
)

type samples struct {
	mu sync.Mutex
	v  []float64 // milliseconds
}

func (s *samples) add(d time.Duration) {
	s.mu.Lock()
	s.v = append(s.v, float64(d)/1e6)
	s.mu.Unlock()
}

type pct struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func (s *samples) pct() *pct {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.v) == 0 {
		return nil
	}
	sort.Float64s(s.v)
	at := func(q float64) float64 { return r3(s.v[int(q*float64(len(s.v)-1)+0.5)]) }
	sum := 0.0
	for _, x := range s.v {
		sum += x
	}
	return &pct{len(s.v), r3(sum / float64(len(s.v))), at(.5), at(.95), at(.99), at(1)}
}

func r3(x float64) float64 { return float64(int64(x*1000+0.5)) / 1000 }

func (s *samples) reset() {
	s.mu.Lock()
	s.v = nil
	s.mu.Unlock()
}
