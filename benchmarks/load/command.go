package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// command puts -n tasks in and has a worker of another make do them all: a process that says a line
// when it is ready, begins when it is told a line, and says at its end how many tasks it ran and how
// many of them were different.
func command(queue string) result {
	l := newLedger()
	l.put(queue, *fN)
	cmd := exec.Command("sh", "-c", "exec "+*fCommand)
	cmd.Env = append(os.Environ(), "BENCH_URL="+*fURL, "BENCH_QUEUE="+queue, "BENCH_TASKS="+strconv.Itoa(*fN))
	cmd.Stderr = os.Stderr
	// It ends with this program, and so must not be the child of a thread that may go away before.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		fatal(err.Error())
	}
	// Should it hang, it is stopped, and what is missing shows in the account.
	limit := time.AfterFunc(*fLimit, func() { cmd.Process.Kill() })
	defer limit.Stop()
	lines := bufio.NewScanner(out)
	lines.Scan()
	u, before := takeUsage(), cpuSeconds([]int{cmd.Process.Pid})
	in.Write([]byte("\n"))
	var ran struct{ Ran, Distinct int }
	if lines.Scan() {
		json.Unmarshal(lines.Bytes(), &ran)
	}
	c := since(u, int64(ran.Ran))
	own := cpuSeconds([]int{cmd.Process.Pid}) - before
	in.Close()
	cmd.Wait()
	a := l.account(queue, false)
	a.ClaimedOnce, a.ClaimedTwice, a.NeverClaimed = ran.Distinct, ran.Ran-ran.Distinct, a.Created-ran.Distinct
	a.Done = ran.Distinct
	a.ExactlyOnce = ran.Ran == a.Created && ran.Distinct == a.Created && (a.DoneInES == nil || *a.DoneInES == a.Created)
	worker := result{"cpu_s": r3(own)}
	if ran.Ran > 0 {
		worker["us_per_task"] = r3(own / float64(ran.Ran) * 1e6)
		worker["us_in_all"] = r3((own + c.Server + c.ES) / float64(ran.Ran) * 1e6)
	}
	return result{"throughput_per_s": r3(float64(ran.Ran) / c.Wall), "tasks": ran.Ran, "cpu": c, "worker": worker, "errors": l.errs, "account": a}
}

// put creates n tasks by 32 producers, and has a search show them.
func (l *ledger) put(queue string, n int) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	t0 := time.Now()
	for i := 0; i < 32; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := newC()
			defer k.close()
			for left.Add(-1) >= 0 {
				for try := 0; try < 5; try++ {
					if _, ok := l.create(k, queue, false); ok {
						break
					}
				}
			}
		}()
	}
	wg.Wait()
	took := time.Since(t0)
	if *fES != "" && *fRefresh {
		esDo("POST", "/"+*fIndex+queue+"/_refresh", "")
	} else {
		time.Sleep(1500 * time.Millisecond)
	}
	return took
}
