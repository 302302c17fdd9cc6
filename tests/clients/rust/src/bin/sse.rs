//! Each library for event streams in Rust, as its README shows it. `sse LIBRARY URL` says what the application gets.

use clients::{event, say};
use futures::{StreamExt, TryStreamExt};

/// Its README's loop, without closing the source at an error.
async fn reqwest_eventsource(url: &str) {
    use reqwest_eventsource::{Event, EventSource};
    let mut source = EventSource::get(url);
    while let Some(told) = source.next().await {
        match told {
            Ok(Event::Open) => say(&["open"]),
            Ok(Event::Message(message)) => event(&message.event, &message.id, &message.data),
            Err(error) => say(&["error", &error.to_string()]),
        }
    }
}

async fn sseer(url: &str) {
    use sseer::reqwest::{EventSource, StreamEvent};
    let mut source =
        EventSource::new(reqwest::Client::new().get(url)).expect("a request that can be repeated");
    while let Some(told) = source.next().await {
        match told {
            Ok(StreamEvent::Open) => say(&["open"]),
            Ok(StreamEvent::Event(message)) => event(&message.event, &message.id, &message.data),
            Err(error) => say(&["error", &error.to_string()]),
        }
    }
}

async fn eventsource_client(url: &str) {
    use eventsource_client::{Client, ClientBuilder, SSE};
    use launchdarkly_sdk_transport::HyperTransport;
    use std::time::Duration;
    let transport = HyperTransport::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(30))
        .build_http()
        .expect("a transport");
    let client = ClientBuilder::for_url(url).expect("a URL").build_with_transport(transport);
    let mut stream = client.stream();
    loop {
        match stream.try_next().await {
            Ok(Some(SSE::Event(message))) => {
                event(&message.event_type, message.id.as_deref().unwrap_or(""), &message.data)
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => say(&["error", &error.to_string()]),
        }
    }
}

#[tokio::main]
async fn main() {
    let [_, library, url] = std::env::args().collect::<Vec<_>>().try_into().expect("LIBRARY URL");
    match library.as_str() {
        "reqwest-eventsource" => reqwest_eventsource(&url).await,
        "sseer" => sseer(&url).await,
        _ => eventsource_client(&url).await,
    }
    say(&["end"]);
}
