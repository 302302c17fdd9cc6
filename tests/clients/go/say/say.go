// Package say is what every program in Go says of what it hears: one line each, its words between tabs.
package say

import (
	"fmt"
	"strings"
)

const startBytes = 300

var spaces = strings.NewReplacer("\t", " ", "\r", " ", "\n", " ")

// Say writes one line.
func Say(words ...any) {
	texts := make([]string, len(words))
	for n, word := range words {
		texts[n] = spaces.Replace(fmt.Sprint(word))
	}
	fmt.Println(strings.Join(texts, "\t"))
}

func start(data string) string { return data[:min(len(data), startBytes)] }

// Event says an event of a stream.
func Event(name, id, data string) { Say("event", name, id, len(data), start(data)) }

// Message says a frame of a WebSocket; it gives the commands that the frame asks for.
func Message(text string, commands []string) (asked []string) {
	Say("message", len(text), start(text))
	for n, command := range commands {
		if strings.Contains(text, fmt.Sprintf("say-%d", n+1)) {
			asked = append(asked, command)
		}
	}
	return asked
}
