//! A push server as one writes it in an afternoon: axum, a broadcast channel of tokio for each name, and
//! Server-Sent Events. No history, no cursors; it is here to be compared with.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

type Channels = Arc<Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9200".to_owned());
    let routes = Router::new()
        .route("/sub/{name}", get(subscribe))
        .route("/pub/{name}", post(publish))
        .with_state(Channels::default());
    axum::serve(tokio::net::TcpListener::bind(address).await?, routes).await
}

async fn subscribe(
    Path(name): Path<String>,
    State(channels): State<Channels>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = sender(&channels, name).subscribe();
    // Whoever is too slow loses messages and is told nothing.
    let events = BroadcastStream::new(messages)
        .filter_map(|message| message.ok().map(|message| Ok(Event::default().data(message))));
    Sse::new(events)
}

async fn publish(Path(name): Path<String>, State(channels): State<Channels>, message: String) {
    // Nobody waiting is no error.
    let _ = sender(&channels, name).send(message.into());
}

fn sender(channels: &Channels, name: String) -> broadcast::Sender<Arc<str>> {
    let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
    channels.entry(name).or_insert_with(|| broadcast::channel(64).0).clone()
}
