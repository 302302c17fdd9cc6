<?php // Publishes what one visitor writes to another.
$line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
$said = ["from" => $_POST["from"] ?? "", "text" => $_POST["text"] ?? ""];
$answer = @file_get_contents("$line/pub/" . rawurlencode("user." . ($_POST["to"] ?? "")), false, stream_context_create(["http" => [
    "method" => "POST",
    "header" => "Content-Type: application/json",
    "content" => json_encode($said, JSON_INVALID_UTF8_SUBSTITUTE),
]]));
// What was not published was not sent: whoever asked must know.
if ($answer === false) http_response_code(502);
