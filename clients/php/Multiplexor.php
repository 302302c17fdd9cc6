<?php
/**
 * The client of Multiplexor for PHP: publish, ask who is online, read history, watch who comes and goes.
 *
 * One file, PHP 7.4 and newer, no extension but json. It stands on PHP's own HTTP, so allow_url_fopen must be on,
 * which it is unless somebody switched it off.
 */

declare(strict_types=1);

namespace Multiplexor;

/** All that can go wrong between this client and the server. */
class Exception extends \RuntimeException
{
}

/** No answer: nobody listens there, the connection broke, or the time was over. The message may have arrived. */
final class Unreachable extends Exception
{
}

/** The server's refusal, in its own words. Nothing was published. */
final class Refused extends Exception
{
    /** The HTTP status. */
    public int $status;
    /** What was wrong, for programs: "full", "payload", "key"; stays the same between versions of the server. */
    public string $problem;
    /** After how many seconds another try makes sense, where the server said so. */
    public ?int $retryAfter;

    public function __construct(string $message, int $status, string $problem, ?int $retryAfter)
    {
        parent::__construct($message, $status);
        $this->status = $status;
        $this->problem = $problem;
        $this->retryAfter = $retryAfter;
    }
}

final class Client
{
    public const VERSION = '0.1.0';

    private const OPTIONS = ['key', 'timeout', 'ssl'];
    private const JSON = \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE | \JSON_UNESCAPED_SLASHES
        | \JSON_PRESERVE_ZERO_FRACTION;
    private const JSON_DEPTH = 4096;
    /** Seconds without a word after which a stream counts as broken; the server speaks every 25. */
    private const SILENCE = 60.0;
    /** Microseconds before a stream is opened again; doubled by every failure, up to the second. */
    private const PAUSE_MIN = 250000;
    private const PAUSE_MAX = 10000000;

    private string $url;
    private ?string $key;
    private float $timeout;
    /** @var array<string, mixed> */
    private array $ssl;

    /**
     * @param string $url the IN line of the server
     * @param array{key?: ?string, timeout?: int|float, ssl?: array<string, mixed>} $options
     *     key: an API key; timeout: seconds for each step of a request, 10; ssl: as PHP's context option of that name
     */
    public function __construct(string $url = 'http://127.0.0.1:10010', array $options = [])
    {
        if (!preg_match('~\Ahttps?://[^/\s?#]+[^\s?#]*\z~i', $url)) {
            throw new \InvalidArgumentException(
                "the address of the server is \"$url\"; give a URL such as http://127.0.0.1:10010"
            );
        }
        self::allow($options, self::OPTIONS, 'the client');
        $this->url = rtrim($url, '/');
        $this->key = $options['key'] ?? null;
        $this->timeout = (float) ($options['timeout'] ?? 10);
        $this->ssl = $options['ssl'] ?? [];
        if ($this->timeout <= 0) {
            throw new \InvalidArgumentException("timeout is {$this->timeout}; give seconds, such as 10 or 0.5");
        }
        if ($this->key !== null) {
            self::oneLine('key', $this->key);
        }
    }

    /**
     * Publishes one message.
     *
     * @param string|string[] $channels where to: a channel, or several
     * @param mixed $data a string goes as text whatever it looks like, or as bytes where it is not UTF-8; anything else
     *     as JSON
     * @param array{event?: string, ttl?: int|float, type?: string, key?: string, except?: string} $options
     *     event: its name; ttl: seconds it is kept; type: its media type; key: the idempotency key, under which a
     *     second try publishes nothing; except: the id of a connection that is not given it
     * @return array{cursor: string, channels: array<string, array{waiting: int, online: bool}>}
     */
    public function publish($channels, $data, array $options = []): array
    {
        return $this->say('/pub/' . self::path($channels), $data, $options);
    }

    /**
     * Publishes one message to all connections of a user, whatever they listen to; each gets it once.
     *
     * @param mixed $data as in publish()
     * @param array<string, mixed> $options as in publish()
     * @return array{cursor: string, channels: array<string, mixed>} of whom it went to nothing is said: ask user()
     */
    public function publishToUser(string $user, $data, array $options = []): array
    {
        return $this->say('/users/' . self::path($user) . '/pub', $data, $options);
    }

    /** @param mixed $data */
    private function say(string $target, $data, array $options): array
    {
        self::allow($options, ['event', 'ttl', 'type', 'key', 'except'], 'a message');
        $type = 'application/json';
        if (is_string($data)) {
            $type = self::isText($data) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
        } else {
            $data = self::encode($data);
        }
        $headers = ['Content-Type: ' . self::oneLine('type', (string) ($options['type'] ?? $type))];
        if (isset($options['key'])) {
            $headers[] = 'Idempotency-Key: ' . self::oneLine('key', (string) $options['key']);
        }
        if (isset($options['except'])) {
            $headers[] = 'Multiplexor-Except: ' . self::oneLine('except', (string) $options['except']);
        }
        $ttl = $options['ttl'] ?? null;
        // A number of PHP 7 has the decimal point of the locale; one of JSON has a point.
        $query = ['event' => $options['event'] ?? null, 'ttl' => is_float($ttl) ? self::encode($ttl) : $ttl];
        return $this->ask('POST', $target . self::query($query), $data, $headers);
    }

    /**
     * Publishes many messages in one request. One that is refused spoils no other.
     *
     * @param iterable<array<string, mixed>> $items each ['channel' => NAME or 'channels' => [NAME…], 'data' => anything]
     *     and perhaps event, ttl, content_type, key, except; a string is text, and with 'json' => true the JSON that it holds
     * @return list<array<string, mixed>> an answer for each, in order: that of publish(), or ['error' => PROBLEM]
     */
    public function batch(iterable $items): array
    {
        $list = [];
        foreach ($items as $item) {
            $data = $item['data'] ?? null;
            if (is_string($data) && !isset($item['base64']) && !self::isText($data)) {
                $item = ['data' => base64_encode($data), 'base64' => true] + $item;
            }
            $list[] = $item;
        }
        if ($list === []) {
            return [];
        }
        return $this->ask('POST', '/pub', self::encode($list), ['Content-Type: application/json']);
    }

    /**
     * Messages of a channel that the server still has, oldest first.
     *
     * @param array{since?: string|int, tail?: int, limit?: int} $options
     *     since: a cursor, an age such as "10m", or 0 for all; tail: the last so many; limit: 100, at most 1000
     * @return array{cursor: string, messages: list<array<string, mixed>>, gap: bool, more: bool}
     *     with `more`, the next page is had by since => cursor, or by before => cursor where it goes back; with `gap`, something in between is gone
     */
    public function history(string $channel, array $options = []): array
    {
        self::allow($options, ['since', 'tail', 'before', 'limit'], 'a history');
        $answer = $this->ask('GET', '/channels/' . self::path($channel) . '/history' . self::query($options));
        $messages = [];
        foreach ($answer['messages'] as $message) {
            if (isset($message['base64'])) {
                $message['data'] = base64_decode($message['data']);
                unset($message['base64']);
            }
            $messages[] = $message;
        }
        return ['messages' => $messages] + $answer + ['gap' => false, 'more' => false];
    }

    /**
     * Who is online, by name; all of them, however many requests that takes.
     *
     * @return list<array{name: string, waiting: int, online: bool}>
     */
    public function online(string $prefix = ''): array
    {
        return $this->all('channels', $prefix);
    }

    /**
     * One channel: how many wait on it, whether it is online, what there is of its history.
     *
     * @return array{name: string, waiting: int, online: bool, history: array<string, mixed>}
     */
    public function channel(string $channel): array
    {
        return $this->ask('GET', '/channels/' . self::path($channel));
    }

    /**
     * Which users wait now, by name; all of them, however many requests that takes.
     *
     * @return list<array{user: string, connections: int, since: float}>
     */
    public function users(string $prefix = ''): array
    {
        return $this->all('users', $prefix);
    }

    /**
     * One user: whether he is there, and by which connections.
     *
     * @return array{user: string, online: bool, connections: list<array<string, mixed>>}
     */
    public function user(string $user): array
    {
        return $this->ask('GET', '/users/' . self::path($user));
    }

    /**
     * Who is on a channel, by name, where a rule says that its users are told of.
     *
     * @return array{users: list<array{user: string, since: float}>, count: int, anonymous: int, cursor: string}
     */
    public function present(string $channel): array
    {
        $users = [];
        $after = null;
        do {
            $query = self::query(['after' => $after, 'limit' => 1000]);
            $page = $this->ask('GET', '/channels/' . self::path($channel) . '/users' . $query);
            $first = $first ?? $page;
            array_push($users, ...$page['users']);
            $after = $page['users'] === [] ? null : end($page['users'])['user'];
        } while (isset($page['more']) && $after !== null);
        unset($first['more']);
        return ['users' => $users] + $first;
    }

    /**
     * Ends all connections of a user; what was issued to him before is refused. Tells how many they were.
     *
     * @param array{reason?: string, for?: int|string} $options reason: what his pages are told; for: how long that is refused, in
     *     seconds or such as "1h"
     */
    public function endUser(string $user, array $options = []): int
    {
        self::allow($options, ['reason', 'for'], 'the end of a user');
        return $this->ask('DELETE', '/users/' . self::path($user) . self::query($options))['ended'];
    }

    /** Ends one connection, by its id. Tells whether there was one. */
    public function endConnection(string $id, ?string $reason = null): bool
    {
        try {
            $this->ask('DELETE', '/connections/' . self::path($id) . self::query(['reason' => $reason]));
            return true;
        } catch (Refused $refused) {
            if ($refused->problem !== 'connection') {
                throw $refused;
            }
            return false;
        }
    }

    /** Forgets a channel's history and ends its subscriptions, or leaves those; tells whether there was anything. */
    public function delete(string $channel, bool $historyOnly = false): bool
    {
        $query = self::query(['forget' => $historyOnly ? 'history' : null]);
        return $this->ask('DELETE', '/channels/' . self::path($channel) . $query)['deleted'];
    }

    /**
     * Takes one message back, by the cursor that publish() gave; whoever shows it is told. Tells whether it was there.
     */
    public function deleteMessage(string $channel, string $cursor): bool
    {
        try {
            $this->ask('DELETE', '/channels/' . self::path($channel) . '/history/' . rawurlencode($cursor));
            return true;
        } catch (Refused $refused) {
            if ($refused->problem !== 'message') {
                throw $refused;
            }
            return false;
        }
    }

    /**
     * Who comes online and who goes: changes as they happen, for ever. A lost connection is made again and goes on
     * where it was; only where the first one fails, or the server refuses, it throws.
     *
     * @param string|int|null $since a cursor of an earlier change, an age, 0 for all that is kept; null: from now on
     * @return \Generator<int, array{cursor: string, channel: string, online: bool, time: float}|array{gap: true}>
     */
    public function watch($since = null, string $prefix = ''): \Generator
    {
        $pause = self::PAUSE_MIN;
        for ($first = true; ; $first = false) {
            try {
                $query = self::query(['transport' => 'stream', 'prefix' => $prefix, 'since' => $since]);
                $stream = $this->open('GET', '/watch' . $query, '', [], self::SILENCE);
                $this->check($stream);
                while (substr($line = (string) fgets($stream), -1) === "\n") {
                    $change = self::decode($line);
                    $pause = self::PAUSE_MIN;
                    $since = $change['cursor'] ?? $since;
                    if (isset($change['channel']) || isset($change['gap'])) {
                        yield $change;
                    }
                }
            } catch (Unreachable $lost) {
                if ($first) {
                    throw $lost;
                }
            } catch (Refused $refused) {
                if ($first || !in_array($refused->status, [429, 502, 503, 504], true)) {
                    throw $refused;
                }
            }
            usleep(random_int(intdiv($pause, 2), $pause));
            $pause = min(2 * $pause, self::PAUSE_MAX);
        }
    }

    /** A list of names that begin so, however many requests it takes. */
    private function all(string $list, string $prefix): array
    {
        $all = [];
        $after = null;
        do {
            $page = $this->ask('GET', "/$list" . self::query(['prefix' => $prefix, 'after' => $after, 'limit' => 10000]));
            array_push($all, ...$page[$list]);
            $after = $page['next'] ?? null;
        } while ($after !== null);
        return $all;
    }

    /** One request; its answer, which is JSON. */
    private function ask(string $method, string $target, string $body = '', array $headers = []): array
    {
        $stream = $this->open($method, $target, $body, $headers, $this->timeout);
        try {
            $head = $this->check($stream);
            $answer = (string) stream_get_contents($stream);
            $this->checkWhole($stream, $head, $answer);
        } finally {
            fclose($stream);
        }
        return self::decode($answer);
    }

    /**
     * Sends a request, and gives the stream of its answer.
     *
     * @return resource
     */
    private function open(string $method, string $target, string $body, array $headers, float $timeout)
    {
        $streams = $timeout === self::SILENCE;
        $headers[] = 'Accept: ' . ($streams ? 'application/x-ndjson' : 'application/json');
        $headers[] = 'Connection: close';
        if ($this->key !== null) {
            $headers[] = 'Authorization: Bearer ' . $this->key;
        }
        $http = [
            'method' => $method,
            'header' => $headers,
            'content' => $body,
            'timeout' => $timeout,
            'user_agent' => 'multiplexor-php/' . self::VERSION,
            // In chunks, as of HTTP/1.1, a stream would wait in PHP's buffer until there are some kilobytes of it.
            'protocol_version' => $streams ? '1.0' : '1.1',
            'follow_location' => 0,
            'ignore_errors' => true,
        ];
        $why = 'no answer';
        set_error_handler(static function (int $number, string $message) use (&$why): bool {
            $why = $message;
            return true;
        });
        try {
            $stream = fopen($this->url . $target, 'r', false, stream_context_create(['http' => $http, 'ssl' => $this->ssl]));
        } finally {
            restore_error_handler();
        }
        if ($stream === false) {
            $why = preg_replace('~\Afopen\(.*?\): (failed to open stream: )?~is', '', $why);
            throw new Unreachable("no answer from {$this->url}: $why");
        }
        $seconds = (int) $timeout;
        stream_set_timeout($stream, $seconds, (int) (($timeout - $seconds) * 1e6));
        return $stream;
    }

    /**
     * Throws what the server refused.
     *
     * @param resource $stream
     * @return array<string, string> headers by name
     */
    private function check($stream): array
    {
        $lines = stream_get_meta_data($stream)['wrapper_data'];
        $status = (int) (explode(' ', (string) array_shift($lines), 3)[1] ?? 0);
        $head = [];
        foreach ($lines as $line) {
            [$name, $value] = explode(':', $line, 2) + ['', ''];
            $head[strtolower($name)] = trim($value);
        }
        if ($status === 200) {
            return $head;
        }
        $problem = json_decode((string) stream_get_contents($stream), true);
        $detail = $problem['detail'] ?? "it answered with the status $status; is {$this->url} the IN line of Multiplexor?";
        $retry = isset($head['retry-after']) ? (int) $head['retry-after'] : null;
        throw new Refused((string) $detail, $status, (string) ($problem['code'] ?? ''), $retry);
    }

    /** @param resource $stream */
    private function checkWhole($stream, array $head, string $answer): void
    {
        if (stream_get_meta_data($stream)['timed_out']) {
            throw new Unreachable("no answer from {$this->url} within {$this->timeout} s");
        }
        if (strlen($answer) < (int) ($head['content-length'] ?? 0)) {
            throw new Unreachable("the answer of {$this->url} broke off");
        }
    }

    /** @param mixed $data */
    private static function encode($data): string
    {
        try {
            return json_encode($data, self::JSON, self::JSON_DEPTH);
        } catch (\JsonException $error) {
            throw new \InvalidArgumentException('the data cannot be written as JSON: ' . $error->getMessage(), 0, $error);
        }
    }

    private static function decode(string $text): array
    {
        try {
            $value = json_decode($text, true, self::JSON_DEPTH, \JSON_THROW_ON_ERROR | \JSON_BIGINT_AS_STRING);
        } catch (\JsonException $error) {
            $value = null;
        }
        if (!is_array($value)) {
            throw new Exception('the answer is no JSON of Multiplexor: ' . substr($text, 0, 100));
        }
        return $value;
    }

    /** @param string|string[] $channels */
    private static function path($channels): string
    {
        $names = array_map('strval', is_array($channels) ? array_values($channels) : [$channels]);
        if ($names === [] || in_array('', $names, true)) {
            throw new \InvalidArgumentException('a channel has no name; give one such as "news"');
        }
        return implode(',', array_map('rawurlencode', $names));
    }

    private static function query(array $parameters): string
    {
        $query = http_build_query($parameters, '', '&', \PHP_QUERY_RFC3986);
        return $query === '' ? '' : '?' . $query;
    }

    private static function isText(string $data): bool
    {
        return preg_match('//u', $data) === 1;
    }

    /** A value that goes into a header. */
    private static function oneLine(string $name, string $value): string
    {
        if (preg_match('/[\x00-\x1f\x7f]/', $value)) {
            throw new \InvalidArgumentException("$name has a line end or another control character; leave it out");
        }
        return $value;
    }

    /** Tells of an option that nobody knows, before it is silently of no effect. */
    private static function allow(array $options, array $known, string $what): void
    {
        $unknown = array_diff(array_keys($options), $known);
        if ($unknown !== []) {
            throw new \InvalidArgumentException(
                "$what has no option \"" . reset($unknown) . '"; it may have ' . implode(', ', $known)
            );
        }
    }
}
