<?php // Publishes what somebody says.
$line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
file_get_contents("$line/pub/chat", false, stream_context_create(["http" => [
    "method" => "POST",
    "header" => "Content-Type: application/json",
    "content" => json_encode(["text" => substr($_POST["text"] ?? "", 0, 2000)], JSON_INVALID_UTF8_SUBSTITUTE),
]]));
