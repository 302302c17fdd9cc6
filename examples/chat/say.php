<?php // Publishes what somebody says.
$line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
$answer = @file_get_contents("$line/pub/chat", false, stream_context_create(["http" => [
    "method" => "POST",
    "header" => "Content-Type: application/json",
    "content" => json_encode(["text" => substr($_POST["text"] ?? "", 0, 2000)], JSON_INVALID_UTF8_SUBSTITUTE),
]]));
// What was not published was not said: whoever asked must know.
if ($answer === false) http_response_code(502);
