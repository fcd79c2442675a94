package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// proxy passes TCP connections on to the targets, one after another, until it is killed. It prints
// where it listens. Between two TCP connections io.Copy moves bytes inside the kernel.
func proxy(listen string, targets []string) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		fatal(err.Error())
	}
	fmt.Println(l.Addr())
	var next atomic.Int64
	for {
		c, err := l.Accept()
		if err != nil {
			fatal(err.Error())
		}
		go pass(c, targets[int(next.Add(1)-1)%len(targets)])
	}
}

// pass joins a client's connection with one of its own to a target; either side's end ends the other.
func pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	move := func(to, from net.Conn) {
		defer both.Done()
		io.Copy(to, from)
		to.(*net.TCPConn).CloseWrite()
	}
	both.Add(2)
	go move(server, client)
	go move(client, server)
	both.Wait()
}
