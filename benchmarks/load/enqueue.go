package main

func enqueue(queue string) result {
	l := newLedger()
	n, c := loops(newC, l, func(k *conn) int {
		if _, ok := l.create(k, queue, true); ok {
			return 1
		}
		return 0
	})
	return result{"throughput_per_s": r3(float64(n) / c.Wall), "tasks": n, "cpu": c, "latency_ms": l.latencies(), "errors": l.errs, "account": l.account(queue, false)}
}
