#!/usr/bin/env bash
# Go 1.26.8, net/http; klauspost/compress 1.18.0 the same. A gzip stream whose server ends each message with a whole *stored*
# deflate block says all there is to say, and zlib, Node, browsers and OkHttp hand it out at once. Go's reader holds
# it until something follows it: a live stream is silent, with status 200. An empty stored block behind it is enough.
# Seen: "bare: nothing in 2 s" and "followed by an empty block: at once", for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.26
MOD
cat >main.go <<'GO'
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	klauspost "github.com/klauspost/compress/gzip"
)

const message = "data: hello\n\n"

// A gzip header, and one stored block that is not the last one (RFC 1951, 3.2.4).
func stream(empty bool) []byte {
	bytes := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0}
	bytes = binary.LittleEndian.AppendUint16(bytes, uint16(len(message)))
	bytes = binary.LittleEndian.AppendUint16(bytes, ^uint16(len(message)))
	bytes = append(bytes, message...)
	if empty {
		bytes = append(bytes, 0, 0, 0, 255, 255)
	}
	return bytes
}

// What can be read in two seconds.
func read(body io.Reader) string {
	got := make(chan string, 1)
	go func() {
		buffer := make([]byte, 100)
		n, _ := body.Read(buffer)
		got <- string(buffer[:n])
	}()
	select {
	case text := <-got:
		if text == message {
			return "at once"
		}
		return text
	case <-time.After(2 * time.Second):
		return "nothing in 2 s"
	}
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(stream(r.URL.Path == "/empty"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	plain := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, path := range []string{"/bare", "/empty"} {
		response, err := http.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		fmt.Println(path, "net/http:", read(response.Body))
		raw, err := plain.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		reader, err := klauspost.NewReader(raw.Body)
		if err != nil {
			panic(err)
		}
		fmt.Println(path, "klauspost:", read(reader))
	}
}
GO
export GOPATH=$folder/gopath GOFLAGS=-modcacherw
go get github.com/klauspost/compress@v1.18.0 2>/dev/null
seen=$(go version | cut -d' ' -f3; go run .)
echo "$seen"
[[ $seen == "go1.26.8
/bare net/http: nothing in 2 s
/bare klauspost: nothing in 2 s
/empty net/http: at once
/empty klauspost: at once" ]]
