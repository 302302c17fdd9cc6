# Varnish in front of the WAIT line. docs/proxies.md explains each line.
vcl 4.1;

backend push {
    .host = "127.0.0.1";
    .port = "8088";
    .first_byte_timeout = 75s;
}

sub vcl_recv {
    # What does not end is piped; long polls, too, are never shared.
    if (req.http.upgrade ~ "(?i)websocket" || req.http.accept ~ "event-stream|ndjson"
        || req.url ~ "[?&]transport=(sse|stream|ws)(&|$)") {
        return (pipe);
    }
    return (pass);
}

sub vcl_pipe {
    if (req.http.upgrade) {
        set bereq.http.upgrade = req.http.upgrade;
        set bereq.http.connection = req.http.connection;
    } else {
        set bereq.http.connection = "close";
    }
}
