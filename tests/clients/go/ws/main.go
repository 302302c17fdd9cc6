// Each library for WebSockets in Go, as its README shows it. `ws LIBRARY URL COMMAND…` says what the application gets, and
// sends command n where it hears `say-n`.
package main

import (
	"context"
	"errors"
	"os"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	. "clients/say"
)

func byGorilla(url string, commands []string) error {
	socket, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer socket.Close()
	Say("open")
	for {
		_, text, err := socket.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			Say("close", closed.Code, closed.Text)
		}
		if err != nil {
			return err
		}
		for _, command := range Message(string(text), commands) {
			if err := socket.WriteMessage(websocket.TextMessage, []byte(command)); err != nil {
				return err
			}
		}
	}
}

func byCoder(url string, commands []string) error {
	ctx := context.Background()
	socket, _, err := coder.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer socket.CloseNow()
	Say("open")
	for {
		_, text, err := socket.Read(ctx)
		if err != nil {
			Say("close", int(coder.CloseStatus(err)))
			return err
		}
		for _, command := range Message(string(text), commands) {
			if err := socket.Write(ctx, coder.MessageText, []byte(command)); err != nil {
				return err
			}
		}
	}
}

func byGobwas(url string, commands []string) error {
	socket, _, _, err := ws.DefaultDialer.Dial(context.Background(), url)
	if err != nil {
		return err
	}
	defer socket.Close()
	Say("open")
	for {
		text, _, err := wsutil.ReadServerData(socket)
		var closed wsutil.ClosedError
		if errors.As(err, &closed) {
			Say("close", int(closed.Code), closed.Reason)
		}
		if err != nil {
			return err
		}
		for _, command := range Message(string(text), commands) {
			if err := wsutil.WriteClientText(socket, []byte(command)); err != nil {
				return err
			}
		}
	}
}

type handler struct {
	gws.BuiltinEventHandler
	commands []string
}

func (h *handler) OnOpen(*gws.Conn) { Say("open") }

func (h *handler) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		Say("close", closed.Code, string(closed.Reason))
	} else {
		Say("error", err)
	}
}

func (h *handler) OnPing(socket *gws.Conn, payload []byte) { _ = socket.WritePong(payload) }

func (h *handler) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	for _, command := range Message(message.Data.String(), h.commands) {
		_ = socket.WriteString(command)
	}
}

func byGws(url string, commands []string) error {
	socket, _, err := gws.NewClient(&handler{commands: commands}, &gws.ClientOption{Addr: url})
	if err != nil {
		return err
	}
	socket.ReadLoop()
	return nil
}

func main() {
	libraries := map[string]func(string, []string) error{
		"gorilla": byGorilla, "coder": byCoder, "gobwas": byGobwas, "gws": byGws,
	}
	if err := libraries[os.Args[1]](os.Args[2], os.Args[3:]); err != nil {
		Say("error", err)
	}
	Say("end")
}
