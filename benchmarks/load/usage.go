package main

import "time"

type usage struct {
	t                 time.Time
	server, es, self  float64
	busy, idle, steal float64
}

func takeUsage() usage {
	u := usage{t: time.Now(), server: cpuSeconds(serverPids()), es: cpuSeconds(esPids()), self: selfCPU()}
	u.busy, u.idle, u.steal = machineCPU()
	return u
}

type cpu struct {
	Wall    float64  `json:"wall_s"`
	Server  float64  `json:"server_cpu_s"`
	ES      float64  `json:"es_cpu_s"`
	Gen     float64  `json:"generator_cpu_s"`
	Other   float64  `json:"other_cpu_s"`
	Steal   float64  `json:"steal_s"`
	PerTask *perTask `json:"per_task,omitempty"`
}

type perTask struct {
	Server float64 `json:"server_us,omitempty"` // of Elasticsearch alone there is none
	ES     float64 `json:"es_us"`
	Gen    float64 `json:"generator_us"`
}

func since(u usage, tasks int64) cpu {
	v := takeUsage()
	c := cpu{Wall: r3(v.t.Sub(u.t).Seconds()), Server: r3(v.server - u.server), ES: r3(v.es - u.es), Gen: r3(v.self - u.self), Steal: r3(v.steal - u.steal)}
	c.Other = r3(v.busy - u.busy - (v.server - u.server) - (v.es - u.es) - (v.self - u.self))
	if tasks > 0 {
		of := func(s float64) float64 { return r3(s / float64(tasks) * 1e6) }
		c.PerTask = &perTask{of(c.Server), of(c.ES), of(c.Gen)}
	}
	return c
}
