<?php // Makes a token: who somebody is, which channels he may listen (subscribe) to, and for how many seconds. PHP alone.

function make_token(string $secret, string $user, array $channels, int $seconds): string
{
    if ($secret === '') {
        throw new InvalidArgumentException('The secret is empty: MULTIPLEXOR_TOKEN_SECRET does not reach this program.');
    }
    $base64url = fn(string $bytes) => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    $now = time();
    $claims = ['sub' => $user, 'listen' => array_values($channels), 'iat' => $now, 'exp' => $now + $seconds];
    $signed = $base64url('{"alg":"HS256","typ":"JWT"}') . '.' . $base64url(json_encode($claims, JSON_THROW_ON_ERROR));
    return $signed . '.' . $base64url(hash_hmac('sha256', $signed, $secret, true));
}

// MULTIPLEXOR_TOKEN_SECRET=… php token.php ann user.ann 'room.*'
if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    echo make_token(getenv('MULTIPLEXOR_TOKEN_SECRET'), $argv[1], array_slice($argv, 2), 3600), "\n";
}
