import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** What every program in Java says of what it hears: one line each, its words between tabs. */
final class Say {
    private static final int START_CHARS = 300;

    private Say() {}

    static synchronized void say(Object... words) {
        System.out.println(
                Arrays.stream(words).map(word -> String.valueOf(word).replaceAll("[\t\r\n]+", " ")).collect(Collectors.joining("\t")));
        System.out.flush();
    }

    private static String start(String data) {
        return data.substring(0, Math.min(data.length(), START_CHARS));
    }

    /** An event of a stream. */
    static void event(String name, String id, String data) {
        say("event", name == null ? "" : name, id == null ? "" : id, data.length(), start(data));
    }

    /** A frame of a WebSocket; gives the commands that the frame asks for. */
    static List<String> message(String text, List<String> commands) {
        say("message", text.length(), start(text));
        List<String> asked = new ArrayList<>();
        for (int n = 0; n < commands.size(); n++) if (text.contains("say-" + (n + 1))) asked.add(commands.get(n));
        return asked;
    }

    static void end() {
        say("end");
        System.exit(0);
    }
}
