<?php
// Symfony's client for event streams, as its documentation shows it. `sse.php LIBRARY URL` says what the application gets.

require_once '/usr/share/php/Symfony/Component/HttpClient/autoload.php';

use Symfony\Component\HttpClient\Chunk\ServerSentEvent;
use Symfony\Component\HttpClient\EventSourceHttpClient;

function say(...$words): void
{
    echo implode("\t", array_map(fn ($word) => preg_replace('/[\t\r\n]+/', ' ', (string) $word), $words)), "\n";
}

$client = new EventSourceHttpClient();
$source = $client->connect($argv[2]);
try {
    while ($source) {
        foreach ($client->stream($source, 2) as $r => $chunk) {
            if ($chunk->isTimeout()) {
                continue;
            }
            if ($chunk->isLast()) {
                say('end');
                return;
            }
            if ($chunk instanceof ServerSentEvent) {
                $data = $chunk->getData();
                say('event', $chunk->getType(), $chunk->getId(), strlen($data), substr($data, 0, 300));
            }
        }
    }
} catch (Throwable $error) {
    say('error', get_class($error).': '.$error->getMessage());
}
say('end');
