<?php // The application: it is asked about what visitors say, and has the page.
if ($_SERVER["REQUEST_METHOD"] !== "POST") return print file_get_contents(__DIR__ . "/index.html");

// Who is signed in, where, and what: {"user"?, "connection", "channel", "event"?, "data", "time"}.
["data" => $text] = json_decode(file_get_contents("php://input"), true);
header("Content-Type: application/json");

if (!is_string($text) || preg_match('~https?://|www\.~i', $text)) {
    // Not said; who wanted to say it reads this sentence.
    http_response_code(403);
    echo json_encode(["detail" => is_string($text) ? "No links on this wall, please." : "Text alone goes on this wall."]);
} elseif (($polite = preg_replace_callback('~\b(heck|darn)\b~i', fn ($word) => $word[0][0] . "***", $text)) !== $text) {
    // Said like this instead.
    echo json_encode(["data" => $polite]);
} else {
    // Said as it is.
    echo "{}";
}
