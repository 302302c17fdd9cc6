<?php // Publishes what one visitor writes to another.
$line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
$said = ["from" => $_POST["from"] ?? "", "text" => $_POST["text"] ?? ""];
file_get_contents("$line/pub/" . rawurlencode("user." . ($_POST["to"] ?? "")), false, stream_context_create(["http" => [
    "method" => "POST",
    "header" => "Content-Type: application/json",
    "content" => json_encode($said, JSON_INVALID_UTF8_SUBSTITUTE),
]]));
