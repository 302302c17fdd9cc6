#!/usr/bin/env bash
# Resty v3.0.0-rc.4 (Go): its SSESource finds the end of an event only where two line feeds follow each other. Of a stream whose lines
# end in CR LF, as the format allows and as many servers write, nothing is told until the stream ends; then all of it is one
# event, whose data is that of all, with carriage returns in it. Live, such a stream is silent for ever.
# Seen: with LF "a | b" while the stream is open; with CR LF nothing while it is open, and "a\r\nb\r" as one event when it has ended.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf 'module finding\ngo 1.24\n' >go.mod
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"resty.dev/v3"
)

func main() {
	for _, end := range []string{"\n", "\r\n"} {
		finish := make(chan bool)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, data := range []string{"a", "b"} {
				fmt.Fprintf(w, "data: %s%s%s", data, end, end)
				w.(http.Flusher).Flush()
			}
			<-finish
		}))
		var lock sync.Mutex
		var heard []string
		source := resty.NewSSESource().SetURL(server.URL)
		source.OnMessage(func(event any) {
			lock.Lock()
			defer lock.Unlock()
			heard = append(heard, event.(*resty.SSE).Data)
		}, nil)
		over := make(chan bool)
		go func() { source.Get(); close(over) }()
		time.Sleep(time.Second)
		lock.Lock()
		fmt.Printf("%q while it is open: %q\n", end, strings.Join(heard, " | "))
		lock.Unlock()
		close(finish)
		<-over
		time.Sleep(200 * time.Millisecond)
		lock.Lock()
		fmt.Printf("%q when it has ended: %q\n", end, strings.Join(heard, " | "))
		lock.Unlock()
		source.Close()
		server.Close()
	}
}
GO
go get resty.dev/v3@v3.0.0-rc.4 2>/dev/null
seen=$(go run .)
echo "$seen"
[[ $seen == '"\n" while it is open: "a | b"
"\n" when it has ended: "a | b"
"\r\n" while it is open: ""
"\r\n" when it has ended: "a\r\nb\r"' ]]
