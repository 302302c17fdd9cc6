<?php
/**
 * The class Dklab_Realplexor, as sites know it, for Multiplexor and for Dklab_Realplexor itself.
 *
 * Put it where the old file was, Dklab/Realplexor.php: names, arguments, results and exceptions are the same. It
 * speaks the old protocol, so the server needs a listener with dialect = "realplexor". PHP 7.4 and newer.
 */

class Dklab_Realplexor_Exception extends Exception
{
}

class Dklab_Realplexor
{
    /** Seconds for the connection. */
    private const CONNECT_TIMEOUT = 5;

    /** @var string */
    private $host;
    /** @var int */
    private $port;
    /** @var string */
    private $namespace;
    /** @var string */
    private $identifier;
    /** @var string|null */
    private $login;
    /** @var string|null */
    private $password;

    /**
     * @param string $host
     * @param int|string $port 443 means TLS
     * @param string|null $namespace stands in front of every id
     * @param string $identifier the server's marker word
     */
    public function __construct($host, $port, $namespace = null, $identifier = 'identifier')
    {
        $this->host = (string) $host;
        $this->port = (int) $port;
        $this->namespace = (string) $namespace;
        $this->identifier = (string) $identifier;
    }

    /**
     * From now on all is said by this login, and ids begin with it.
     *
     * @param string $login
     * @param string $password
     */
    public function logon($login, $password)
    {
        if (preg_match('/[@\s]/', $login . $password)) {
            throw new Dklab_Realplexor_Exception('Login and password must have no @ and no white space');
        }
        $this->login = (string) $login;
        $this->password = (string) $password;
        $this->namespace = $this->login . '_' . $this->namespace;
    }

    /**
     * Publishes data, as JSON.
     *
     * @param string|array $idsAndCursors an id, a list of ids, or a map of ids to cursors
     * @param mixed $data
     * @param string|string[]|null $showOnlyForIds who gets it must listen to one of these, too
     */
    public function send($idsAndCursors, $data, $showOnlyForIds = null)
    {
        $json = json_encode($data);
        if ($json === false) {
            throw new Dklab_Realplexor_Exception('Data cannot be encoded as JSON: ' . json_last_error_msg());
        }
        $items = [];
        foreach ((array) $idsAndCursors as $id => $cursor) {
            // In a list the key is a number, and the value is the id.
            if (is_int($id)) {
                [$id, $cursor] = [$cursor, null];
            }
            $items[] = ($cursor === null ? '' : self::number($cursor) . ':') . $this->namespace . self::word($id);
        }
        foreach ((array) $showOnlyForIds as $id) {
            $items[] = '*' . $this->namespace . self::word($id);
        }
        $this->ask(implode(',', $items), $json);
    }

    /**
     * Who is online.
     *
     * @param string|string[]|null $idPrefixes
     * @return string[] ids
     */
    public function cmdOnline($idPrefixes = null)
    {
        return array_map('strval', array_keys($this->cmdOnlineWithCounters($idPrefixes)));
    }

    /**
     * Who is online, and on how many connections.
     *
     * @param string|string[]|null $idPrefixes
     * @return array<string, string> counts by id
     */
    public function cmdOnlineWithCounters($idPrefixes = null)
    {
        $counts = [];
        foreach ($this->lines('online', $idPrefixes) as $line) {
            [$id, $count] = explode(' ', $line, 2) + ['', ''];
            $counts[$this->local($id)] = $count;
        }
        return $counts;
    }

    /**
     * Who came and went since a position.
     *
     * @param int|float|string $fromPos the last position known; 0 to learn the current one
     * @param string|string[]|null $idPrefixes
     * @return array[] each with event, pos and id
     */
    public function cmdWatch($fromPos, $idPrefixes = null)
    {
        $events = [];
        foreach ($this->lines('watch ' . self::number($fromPos ?: 0), $idPrefixes) as $line) {
            if (!preg_match('/\A(\w+)\s+([^:]+):(\S+)\z/', $line, $parts)) {
                throw new Dklab_Realplexor_Exception("Cannot parse the event: \"$line\"");
            }
            $events[] = ['event' => $parts[1], 'pos' => $parts[2], 'id' => $this->local($parts[3])];
        }
        return $events;
    }

    /** The lines that a command is answered with. */
    private function lines($command, $prefixes)
    {
        $prefixes = array_filter((array) $prefixes, static function ($prefix) {
            return (string) $prefix !== '';
        });
        if (!$prefixes && $this->namespace !== '') {
            $prefixes = [''];
        }
        foreach ($prefixes as $prefix) {
            $command .= ' ' . $this->namespace . ($prefix === '' ? '' : self::word($prefix));
        }
        $answer = trim($this->ask('', $command . "\n"));
        return $answer === '' ? [] : explode("\n", str_replace("\r", '', $answer));
    }

    /** An id without the namespace. */
    private function local($id)
    {
        $length = strlen($this->namespace);
        return strncmp($id, $this->namespace, $length) === 0 ? (string) substr($id, $length) : $id;
    }

    /** One request, and the body of its answer. */
    private function ask($list, $body)
    {
        $credentials = $this->login === null ? '' : "{$this->login}:{$this->password}@";
        $request = "POST / HTTP/1.1\r\n"
            . "Host: {$this->host}\r\n"
            . 'Content-Length: ' . strlen($body) . "\r\n"
            . "X-Realplexor: {$this->identifier}=$credentials$list\r\n"
            . "\r\n"
            . $body;
        $scheme = $this->port === 443 ? 'tls' : 'tcp';
        $stream = @stream_socket_client(
            sprintf(strpos($this->host, ':') === false ? '%s://%s:%d' : '%s://[%s]:%d', $scheme, $this->host, $this->port),
            $number,
            $error,
            self::CONNECT_TIMEOUT
        );
        if ($stream === false) {
            throw new Dklab_Realplexor_Exception("Error #$number: " . ($error ?: 'no connection'));
        }
        try {
            for ($left = $request; $left !== ''; $left = (string) substr($left, $written)) {
                $written = @fwrite($stream, $left);
                if (!$written) {
                    // Whoever refuses does so before all has come: the answer says why.
                    break;
                }
            }
            // Behind TLS there is no half of a connection to close; there the server goes by the length.
            if ($scheme === 'tcp') {
                @stream_socket_shutdown($stream, STREAM_SHUT_WR);
            }
            $answer = (string) @stream_get_contents($stream);
            $timedOut = stream_get_meta_data($stream)['timed_out'];
        } finally {
            fclose($stream);
        }
        if ($timedOut) {
            throw new Dklab_Realplexor_Exception('No answer from the server within ' . ini_get('default_socket_timeout') . ' s');
        }
        if ($left !== '' && $answer === '') {
            throw new Dklab_Realplexor_Exception('The connection broke before all was said');
        }
        return self::body($answer);
    }

    /** The body of an answer; an empty answer is a success. */
    private static function body($answer)
    {
        if ($answer === '') {
            return '';
        }
        [$head, $body] = preg_split('/\r?\n\r?\n/', $answer, 2) + ['', ''];
        if (!preg_match('{\AHTTP/\d+\.\d+\s+((\d+)[^\r\n]*)}i', $head, $status)) {
            throw new Dklab_Realplexor_Exception("Non-HTTP response received:\n" . $answer);
        }
        if ($status[2] !== '200') {
            throw new Dklab_Realplexor_Exception("Request failed: {$status[1]}\n" . rtrim($body));
        }
        if (!preg_match('/^Content-Length:\s*(\d+)\s*$/mi', $head, $length)) {
            throw new Dklab_Realplexor_Exception("No Content-Length header in the response headers:\n" . $head);
        }
        if ((int) $length[1] !== strlen($body)) {
            throw new Dklab_Realplexor_Exception(
                "Response length ({$length[1]}) is not equal to the length of its body (" . strlen($body) . ")"
            );
        }
        return $body;
    }

    private static function word($id)
    {
        if (!preg_match('/\A\w+\z/', (string) $id)) {
            throw new Dklab_Realplexor_Exception("Identifier must be alphanumeric, \"$id\" given");
        }
        return (string) $id;
    }

    private static function number($cursor)
    {
        // Written without regard to the locale, and whole: the server reads digits and one point.
        $text = is_float($cursor) ? json_encode($cursor) : (string) $cursor;
        if (is_float($cursor) && strpos($text, 'e') !== false) {
            $text = sprintf('%.0F', $cursor);
        }
        if (!preg_match('/\A\d+(\.\d+)?\z/', $text)) {
            throw new Dklab_Realplexor_Exception("Cursor must be numeric, \"$text\" given");
        }
        return $text;
    }
}
