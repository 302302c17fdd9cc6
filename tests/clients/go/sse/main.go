// Each library for event streams in Go, as its README shows it. `sse LIBRARY URL` says what the application gets.
package main

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"strings"

	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	. "clients/say"
)

func nethttp(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), ": "); found {
			fields[name] = value
		} else {
			Event(fields["event"], fields["id"], fields["data"])
			clear(fields)
		}
	}
	return lines.Err()
}

func byR3labs(url string) error {
	client := r3labs.NewClient(url)
	return client.SubscribeRaw(func(told *r3labs.Event) {
		Event(string(told.Event), string(told.ID), string(told.Data))
	})
}

func byTmaxmax(url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	connection := tmaxmax.NewConnection(request)
	connection.SubscribeToAll(func(told tmaxmax.Event) { Event(told.Type, told.LastEventID, told.Data) })
	return connection.Connect()
}

func byLaunchdarkly(url string) error {
	stream, err := launchdarkly.Subscribe(url, "")
	if err != nil {
		return err
	}
	for {
		select {
		case told := <-stream.Events:
			Event(told.Event(), told.Id(), told.Data())
		case err := <-stream.Errors:
			Say("error", err)
		}
	}
}

func main() {
	libraries := map[string]func(string) error{
		"net/http": nethttp, "r3labs": byR3labs, "tmaxmax": byTmaxmax, "launchdarkly": byLaunchdarkly,
	}
	if err := libraries[os.Args[1]](os.Args[2]); err != nil {
		Say("error", err)
	}
	Say("end")
}
