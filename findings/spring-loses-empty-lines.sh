#!/usr/bin/env bash
# Spring WebFlux 6.2.19, the last of its line (Java): WebClient's ServerSentEvent leaves out a `data` line that is empty. A message of two paragraphs, whose
# data is "a", an empty line and "c", arrives as "a\nc": the paragraphs are one. So it is with "data:" and with "data: ".
# 7.0.10 keeps the line. In both a comment alone, which servers send so that a silent stream is not cut, arrives as an event whose data is null.
# Seen: "a\nc" twice, then "null".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.springframework</groupId><artifactId>spring-webflux</artifactId><version>6.2.19</version></dependency>
<dependency><groupId>org.springframework</groupId><artifactId>spring-context</artifactId><version>6.2.19</version></dependency>
</dependencies></project>
XML
mvn -q -B dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >Finding.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.List;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.client.reactive.JdkClientHttpConnector;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.web.reactive.function.client.WebClient;

class Finding {
    public static void main(String[] none) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write("data: a\ndata:\ndata: c\n\ndata: a\ndata: \ndata: c\n\n: beat\n\n".getBytes());
            exchange.close();
        });
        server.start();
        var type = new ParameterizedTypeReference<ServerSentEvent<String>>() {};
        List<ServerSentEvent<String>> heard = WebClient.builder()
            .clientConnector(new JdkClientHttpConnector()).baseUrl("http://127.0.0.1:" + server.getAddress().getPort()).build().get().uri("/").retrieve().bodyToFlux(type).collectList().block();
        heard.forEach(event -> System.out.println(String.valueOf(event.data()).replace("\n", "\\n")));
        System.exit(0);
    }
}
JAVA
javac -cp "$(<classpath)" Finding.java
seen=$(java -cp "$(<classpath):." Finding 2>/dev/null)
echo "$seen"
[[ $seen == 'a\nc
a\nc
null' ]]
