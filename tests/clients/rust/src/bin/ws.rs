//! Each library for WebSockets in Rust, as its README shows it. `ws LIBRARY URL COMMAND…` says what the application gets,
//! and sends command n where it hears `say-n`.

use clients::{message, say};
use futures::{SinkExt, StreamExt};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn tokio_tungstenite(url: &str, commands: &[String]) -> Result<()> {
    use tokio_tungstenite::{connect_async, tungstenite::Message};
    let (mut socket, _) = connect_async(url).await?;
    say(&["open"]);
    while let Some(told) = socket.next().await {
        match told? {
            Message::Text(text) => {
                for command in message(&text, commands) {
                    socket.send(Message::text(command)).await?;
                }
            }
            Message::Close(Some(frame)) => say(&["close", &u16::from(frame.code).to_string(), &frame.reason]),
            _ => {}
        }
    }
    Ok(())
}

struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

async fn fastwebsockets(url: &str, commands: &[String]) -> Result<()> {
    use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
    let host = url.trim_start_matches("ws://").split('/').next().unwrap_or("");
    let stream = tokio::net::TcpStream::connect(host).await?;
    let request = hyper::Request::get(url.replace("ws://", "http://"))
        .header("Host", host)
        .header("Upgrade", "websocket")
        .header("Connection", "upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())?;
    let (socket, _) = handshake::client(&Spawn, request, stream).await?;
    let mut socket = FragmentCollector::new(socket);
    say(&["open"]);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text => {
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                for command in message(&text, commands) {
                    socket.write_frame(Frame::text(Payload::Borrowed(command.as_bytes()))).await?;
                }
            }
            OpCode::Close => {
                let code = frame.payload.get(..2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
                say(&["close", &code.to_string()]);
                return Ok(());
            }
            _ => {}
        }
    }
}

async fn yawc(url: &str, commands: &[String]) -> Result<()> {
    use yawc::{Frame, OpCode, WebSocket};
    let mut socket = WebSocket::connect(url.parse()?).await?;
    say(&["open"]);
    while let Some(frame) = socket.next().await {
        match frame.opcode() {
            OpCode::Text => {
                let text = frame.as_str().to_owned();
                for command in message(&text, commands) {
                    socket.send(Frame::text(command.to_owned())).await?;
                }
            }
            OpCode::Close => say(&["close", &frame.close_code().map_or(0, u16::from).to_string()]),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (library, url, commands) = (&arguments[0], &arguments[1], &arguments[2..]);
    let end = match library.as_str() {
        "tokio-tungstenite" => tokio_tungstenite(url, commands).await,
        "fastwebsockets" => fastwebsockets(url, commands).await,
        _ => yawc(url, commands).await,
    };
    if let Err(error) = end {
        say(&["error", &error.to_string()]);
    }
    say(&["end"]);
}
