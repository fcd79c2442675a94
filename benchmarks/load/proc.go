package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const clockTick = 100.0 // USER_HZ on Linux

func statOf(pid int) (ppid int, ticks float64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	s := string(b)
	i := strings.LastIndexByte(s, ')')
	if i < 0 {
		return 0, 0, false
	}
	f := strings.Fields(s[i+1:])
	ppid, _ = strconv.Atoi(f[1])
	u, _ := strconv.ParseFloat(f[11], 64)
	sy, _ := strconv.ParseFloat(f[12], 64)
	return ppid, u + sy, true
}

func pids(list string) []int {
	var found []int
	for _, s := range strings.Split(list, ",") {
		if pid, err := strconv.Atoi(s); err == nil && pid > 0 {
			found = append(found, pid)
		}
	}
	return found
}

func serverPids() []int { return pids(*fSPid) }
func esPids() []int     { return pids(*fEPid) }

// trees gives the CPU ticks of some processes and all their live descendants, so that a server of
// several processes is charged for each of them. Nothing is counted twice.
func trees(roots []int) map[int]float64 {
	parents := map[int]int{}
	ticks := map[int]float64{}
	ents, _ := os.ReadDir("/proc")
	for _, e := range ents {
		p, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if pp, t, ok := statOf(p); ok {
			parents[p], ticks[p] = pp, t
		}
	}
	isRoot := map[int]bool{}
	for _, r := range roots {
		isRoot[r] = true
	}
	found := map[int]float64{}
	for p, t := range ticks {
		for q, n := p, 0; q > 1 && n < 64; q, n = parents[q], n+1 {
			if isRoot[q] {
				found[p] = t
				break
			}
		}
	}
	return found
}

func cpuSeconds(roots []int) float64 {
	if len(roots) == 0 {
		return 0
	}
	total := 0.0
	for _, t := range trees(roots) {
		total += t
	}
	return total / clockTick
}

// memoryMB gives what the processes and their descendants hold, and the sum of what each held at most.
func memoryMB(roots []int) (rss, peak int) {
	if len(roots) == 0 {
		return
	}
	for p := range trees(roots) {
		r, h := rssKB(p)
		rss += r
		peak += h
	}
	return rss / 1024, peak / 1024
}

// forgetPeaks has what the processes held at most begin anew, so that one scenario is not charged for
// those before it (proc(5), /proc/pid/clear_refs). Where that is not allowed all count from their start.
func forgetPeaks(roots []int) {
	if len(roots) == 0 {
		return
	}
	for p := range trees(roots) {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p), []byte("5"), 0)
	}
}

func rssKB(pid int) (rss, hwm int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return
	}
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "VmRSS:":
			rss, _ = strconv.Atoi(f[1])
		case "VmHWM:":
			hwm, _ = strconv.Atoi(f[1])
		}
	}
	return
}

// machineCPU gives the machine's CPU seconds (all cores: busy, idle, steal).
func machineCPU() (busy, idle, steal float64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return
	}
	f := strings.Fields(strings.SplitN(string(b), "\n", 2)[0])
	v := make([]float64, 11)
	for i := 1; i < len(f) && i < 11; i++ {
		v[i], _ = strconv.ParseFloat(f[i], 64)
	}
	return (v[1] + v[2] + v[3] + v[6] + v[7]) / clockTick, (v[4] + v[5]) / clockTick, v[8] / clockTick
}

func selfCPU() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}
