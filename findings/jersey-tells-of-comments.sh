#!/usr/bin/env bash
# Jersey 4.0.2 (Java, Jakarta REST): its SseEventSource tells the application of each comment, as an event whose data is the empty
# string; servers send comments so that a silent stream is not cut. Of the spaces in front of data it takes all away, where the format
# says one: data that is indented, such as a line of code, arrives flush left.
# Seen: "a", "", "indented".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.glassfish.jersey.media</groupId><artifactId>jersey-media-sse</artifactId><version>4.0.2</version></dependency>
<dependency><groupId>org.glassfish.jersey.core</groupId><artifactId>jersey-client</artifactId><version>4.0.2</version></dependency>
<dependency><groupId>org.glassfish.jersey.inject</groupId><artifactId>jersey-hk2</artifactId><version>4.0.2</version></dependency>
</dependencies></project>
XML
mvn -q -B dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >Finding.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import jakarta.ws.rs.client.ClientBuilder;
import jakarta.ws.rs.sse.SseEventSource;
import java.net.InetSocketAddress;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

class Finding {
    public static void main(String[] none) throws Exception {
        var over = new CountDownLatch(1);
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write("data: a\n\n: beat\n\ndata:     indented\n\ndata: last\n\n".getBytes());
            exchange.getResponseBody().flush();
            try {
                over.await(10, TimeUnit.SECONDS);
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
            exchange.close();
        });
        server.start();
        var target = ClientBuilder.newClient().target("http://127.0.0.1:" + server.getAddress().getPort());
        var source = SseEventSource.target(target).build();
        source.register(event -> {
            if (event.readData().equals("last")) {
                over.countDown();
            } else {
                System.out.println('"' + event.readData() + '"');
            }
        });
        source.open();
        over.await(10, TimeUnit.SECONDS);
        System.exit(0);
    }
}
JAVA
javac -cp "$(<classpath)" Finding.java
seen=$(java -cp "$(<classpath):." Finding 2>/dev/null)
echo "$seen"
[[ $seen == '"a"
""
"indented"' ]]
