// Command load drives a tasques HTTP server and accounts for every task.
//
// It prints one JSON object. See README.md for the scenarios and the fields.
package main

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	fURL        = flag.String("url", "http://127.0.0.1:8101", "server under test")
	fWorkerURL  = flag.String("worker-url", "", "handoff: where the worker claims, if elsewhere")
	fES         = flag.String("es", "", "Elasticsearch base URL, for the final count of done tasks (optional; needed by raw-… and deep)")
	fIndex      = flag.String("index", ".tasques_queue-", "index name = this + queue, for that count")
	fArchive    = flag.String("archive", ".tasques_archive", "index that done tasks may have been moved to, counted too; '' for none")
	fUser       = flag.String("user", "", "basic auth, name:password")
	fSPid       = flag.String("server-pid", "", "servers' pids, with commas (descendants are counted too)")
	fEPid       = flag.String("es-pid", "", "Elasticsearch's pids, with commas")
	fScenario   = flag.String("scenario", "enqueue", "one of those in README.md")
	fQueue      = flag.String("queue", "", "queue name (default: bench-<scenario>-<time>)")
	fC          = flag.Int("c", 8, "producers; raw-…: loops in parallel")
	fW          = flag.Int("w", 8, "workers")
	fN          = flag.Int("n", 2000, "tasks (drain, raw-drain); samples (handoff); ready tasks (deep)")
	fA          = flag.Int("amount", 10, "claim amount")
	fBatch      = flag.Int("batch", 100, "batch-…, raw-…: documents in one request")
	fDur        = flag.Duration("duration", 5*time.Second, "measured time (enqueue, mix, batch-…, raw-…, soak; each phase of idle)")
	fWarm       = flag.Duration("warmup", 1*time.Second, "unmeasured time before (enqueue, idle)")
	fBlock      = flag.Duration("block-for", 3*time.Second, "block_for of claims")
	fOut        = flag.Int("max-outstanding", 200, "mix, soak: producers wait while this many tasks are unclaimed")
	fPollers    = flag.Int("pollers", 200, "idle: idle long-pollers")
	fRate       = flag.Float64("rate", 20, "idle: creates per second")
	fGap        = flag.Duration("gap", 350*time.Millisecond, "handoff: the mean pause before a sample")
	fPayload    = flag.Int("payload", 200, "bytes of args per task")
	fReports    = flag.Float64("reports", 0.1, "mix, soak: reports per task")
	fGets       = flag.Float64("gets", 0.1, "mix, soak: GETs per task")
	fFuture     = flag.Int("future", 0, "deep: tasks beside, due in a year, of higher priority")
	fDone       = flag.Int("done", 0, "deep: done tasks beside")
	fClaims     = flag.Int("claims", 400, "deep: claims in each phase")
	fWindows    = flag.Int("windows", 6, "soak: parts of -duration that are shown each by itself")
	fLoad       = flag.Float64("load", 0.5, "soak: share of the rate found at its begin")
	fTimeout    = flag.Duration("timeout", 60*time.Second, "handoff, idle: limit on waiting for one task")
	fLimit      = flag.Duration("drain-limit", 15*time.Second, "drain: stop here if not drained; mix: limit on the tail after the producers stop")
	fReqTimeout = flag.Duration("request-timeout", 30*time.Second, "per request")
	fRefresh    = flag.Bool("refresh", true, "drain: refresh the index before draining (needs -es)")
	fCommand    = flag.String("command", "", "command: the worker, for sh; see command.go for what it has to do")
	fListen     = flag.String("listen", "127.0.0.1:0", "proxy: where to listen")
	fTargets    = flag.String("targets", "", "proxy: host:port of each server, with commas")
)

var target, workerTarget, auth string

var scenarios = map[string]func(string) result{
	"enqueue": enqueue, "drain": drain, "mix": mix, "handoff": handoff, "idle": idle,
	"batch-create": batchCreate, "batch-life": batchLife, "deep": deep, "soak": soak, "command": command,
	"raw-create": rawCreate, "raw-life": rawLife, "raw-drain": rawDrain,
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		fatal("no address of a server: " + raw)
	}
	return u.Host
}

func fatal(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}

func main() {
	flag.Parse()
	if *fScenario == "proxy" {
		proxy(*fListen, strings.Split(*fTargets, ","))
		return
	}
	run := scenarios[*fScenario]
	if run == nil {
		fatal("no such scenario: " + *fScenario)
	}
	target = hostOf(*fURL)
	workerTarget = target
	if *fWorkerURL != "" {
		workerTarget = hostOf(*fWorkerURL)
	}
	if *fUser != "" {
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(*fUser))
	}
	queue := *fQueue
	if queue == "" {
		queue = fmt.Sprintf("bench-%s-%d", *fScenario, time.Now().UnixMilli())
	}
	forgetPeaks(serverPids())
	r := run(queue)
	r["scenario"] = *fScenario
	r["queue"] = queue
	r["params"] = result{"c": *fC, "w": *fW, "n": *fN, "amount": *fA, "batch": *fBatch, "duration": fDur.String(), "block_for": fBlock.String(), "payload": *fPayload, "pollers": *fPollers, "rate": *fRate}
	addMemory(r)
	b, _ := json.Marshal(r)
	fmt.Println(string(b))
}

// addMemory adds what the servers hold at the end, and held at most; idle has looked before its pollers left.
func addMemory(r result) {
	if r["server_rss_mb"] == nil && *fSPid != "" {
		rss, peak := memoryMB(serverPids())
		r["server_rss_mb"], r["server_rss_peak_mb"] = rss, peak
	}
}
