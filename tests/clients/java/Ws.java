import jakarta.websocket.ClientEndpointConfig;
import jakarta.websocket.CloseReason;
import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.MessageHandler;
import jakarta.websocket.Session;
import java.net.URI;
import java.net.http.HttpClient;
import java.util.List;
import java.util.concurrent.CompletionStage;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.WebSocketListener;
import org.glassfish.tyrus.client.ClientManager;
import org.java_websocket.client.WebSocketClient;
import org.java_websocket.handshake.ServerHandshake;

/**
 * Each library for WebSockets in Java, as its README shows it. {@code Ws LIBRARY URL COMMAND…} says what the application
 * gets, and sends command n where it hears {@code say-n}.
 */
final class Ws {
    static void javaWebSocket(String url, List<String> commands) {
        new WebSocketClient(URI.create(url)) {
            @Override
            public void onOpen(ServerHandshake handshake) {
                Say.say("open");
            }

            @Override
            public void onMessage(String text) {
                Say.message(text, commands).forEach(this::send);
            }

            @Override
            public void onClose(int code, String reason, boolean remote) {
                Say.say("close", code, reason);
                Say.end();
            }

            @Override
            public void onError(Exception thrown) {
                Say.say("error", thrown);
            }
        }.connect();
    }

    static void okhttp(String url, List<String> commands) {
        new OkHttpClient().newWebSocket(new Request.Builder().url(url).build(), new WebSocketListener() {
            @Override
            public void onOpen(okhttp3.WebSocket socket, Response response) {
                Say.say("open");
            }

            @Override
            public void onMessage(okhttp3.WebSocket socket, String text) {
                Say.message(text, commands).forEach(socket::send);
            }

            @Override
            public void onClosing(okhttp3.WebSocket socket, int code, String reason) {
                Say.say("close", code, reason);
                socket.close(1000, null);
                Say.end();
            }

            @Override
            public void onFailure(okhttp3.WebSocket socket, Throwable thrown, Response response) {
                Say.say("error", thrown);
                Say.end();
            }
        });
    }

    static void jdk(String url, List<String> commands) {
        HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(URI.create(url), new java.net.http.WebSocket.Listener() {
            private final StringBuilder text = new StringBuilder();

            @Override
            public void onOpen(java.net.http.WebSocket socket) {
                Say.say("open");
                socket.request(1);
            }

            @Override
            public CompletionStage<?> onText(java.net.http.WebSocket socket, CharSequence part, boolean last) {
                text.append(part);
                if (last) {
                    Say.message(text.toString(), commands).forEach(command -> socket.sendText(command, true));
                    text.setLength(0);
                }
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onClose(java.net.http.WebSocket socket, int code, String reason) {
                Say.say("close", code, reason);
                Say.end();
                return null;
            }

            @Override
            public void onError(java.net.http.WebSocket socket, Throwable thrown) {
                Say.say("error", thrown);
                Say.end();
            }
        }).join();
    }

    static void tyrus(String url, List<String> commands) throws Exception {
        ClientManager.createClient().connectToServer(new Endpoint() {
            @Override
            public void onOpen(Session session, EndpointConfig config) {
                Say.say("open");
                session.addMessageHandler(String.class, (MessageHandler.Whole<String>) text -> {
                    for (String command : Say.message(text, commands)) session.getAsyncRemote().sendText(command);
                });
            }

            @Override
            public void onClose(Session session, CloseReason reason) {
                Say.say("close", reason.getCloseCode().getCode(), reason.getReasonPhrase());
                Say.end();
            }
        }, ClientEndpointConfig.Builder.create().build(), URI.create(url));
    }

    public static void main(String[] arguments) throws Exception {
        List<String> all = List.of(arguments);
        List<String> commands = all.subList(2, all.size());
        switch (arguments[0]) {
            case "Java-WebSocket" -> javaWebSocket(arguments[1], commands);
            case "okhttp" -> okhttp(arguments[1], commands);
            case "jdk" -> jdk(arguments[1], commands);
            default -> tyrus(arguments[1], commands);
        }
        Thread.currentThread().join();
    }
}
