import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashMap;
import java.util.Map;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** Each library for event streams in Java, as its README shows it. {@code Sse LIBRARY URL} says what the application gets. */
final class Sse {
    static void okhttp(String url) {
        OkHttpClient client = new OkHttpClient();
        Request request = new Request.Builder().url(url).build();
        EventSources.createFactory(client).newEventSource(request, new EventSourceListener() {
            @Override
            public void onOpen(okhttp3.sse.EventSource source, Response response) {
                Say.say("open");
            }

            @Override
            public void onEvent(okhttp3.sse.EventSource source, String id, String type, String data) {
                Say.event(type, id, data);
            }

            @Override
            public void onClosed(okhttp3.sse.EventSource source) {
                Say.end();
            }

            @Override
            public void onFailure(okhttp3.sse.EventSource source, Throwable thrown, Response response) {
                Say.say("error", thrown == null ? response : thrown.getClass().getSimpleName() + ": " + thrown.getMessage());
                Say.end();
            }
        });
    }

    static void launchdarkly(String url) {
        EventSource source = new EventSource.Builder(URI.create(url)).build();
        for (MessageEvent told : source.messages()) Say.event(told.getEventName(), told.getLastEventId(), told.getData());
        Say.end();
    }

    static void jdk(String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        HttpResponse<java.util.stream.Stream<String>> response =
                HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofLines());
        Map<String, String> fields = new HashMap<>();
        response.body().forEach(line -> {
            int at = line.indexOf(": ");
            if (at > 0) fields.put(line.substring(0, at), line.substring(at + 2));
            else {
                Say.event(fields.get("event"), fields.get("id"), fields.getOrDefault("data", ""));
                fields.clear();
            }
        });
        Say.end();
    }

    public static void main(String[] arguments) {
        try {
            switch (arguments[0]) {
                case "okhttp" -> okhttp(arguments[1]);
                case "launchdarkly" -> launchdarkly(arguments[1]);
                default -> jdk(arguments[1]);
            }
        } catch (Exception thrown) {
            Throwable cause = thrown.getCause() == null ? thrown : thrown.getCause();
            Say.say("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
            Say.end();
        }
    }
}
