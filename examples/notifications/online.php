<?php // Tells which visitors are online, as a JSON array of names.
$line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
$answer = @file_get_contents("$line/channels?prefix=user.");
if ($answer === false) exit(http_response_code(502));
$online = json_decode($answer, true);
header("Content-Type: application/json");
echo json_encode(array_map(fn($channel) => substr($channel["name"], strlen("user.")), $online["channels"]));
