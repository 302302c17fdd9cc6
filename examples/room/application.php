<?php // The application in PHP: who somebody is, the token that says so, and the moderator's button.
const CHANNEL = "room.1";
if (parse_url($_SERVER["REQUEST_URI"], PHP_URL_PATH) !== "/session") exit(readfile(__DIR__ . "/index.html"));
session_start();
$me = $_SESSION["me"] ?? null;
if (trim($_POST["me"] ?? "") !== "") {
    // Stands for your sign-in: whoever comes is who he says, and Mo moderates.
    $me = $_SESSION["me"] = substr(trim($_POST["me"]), 0, 40);
}
if ($me === null) exit(http_response_code(403));
header("Content-Type: application/json");
if (isset($_POST["end"])) {
    if ($me !== "Mo") exit(http_response_code(403));
    $line = getenv("MULTIPLEXOR") ?: "http://127.0.0.1:10010";
    $how = http_build_query(["reason" => "The moderator has shown you out.", "for" => 60]);
    $answer = @file_get_contents("$line/users/" . rawurlencode($_POST["end"]) . "?$how", false, stream_context_create(["http" => ["method" => "DELETE"]]));
    if ($answer === false) http_response_code(502);
    exit($answer);
}
$base64url = fn(string $bytes) => rtrim(strtr(base64_encode($bytes), "+/", "-_"), "=");
$claims = ["sub" => $me, "listen" => [CHANNEL], "publish" => [CHANNEL], "info" => ["name" => $me], "iat" => time(), "exp" => time() + 600];
$signed = $base64url('{"alg":"HS256"}') . "." . $base64url(json_encode($claims, JSON_INVALID_UTF8_SUBSTITUTE));
$token = $signed . "." . $base64url(hash_hmac("sha256", $signed, getenv("MULTIPLEXOR_TOKEN_SECRET"), true));
echo json_encode(["me" => $me, "moderates" => $me === "Mo", "channel" => CHANNEL, "token" => $token]);
