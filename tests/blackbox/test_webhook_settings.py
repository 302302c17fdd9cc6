"""Webhooks: what may be set, how each is, who may see it, and one call by hand."""

import json
import signal
import subprocess

import pytest
from harness.authority import Authority
from harness.hooks import ROOMS, USERS, hooks, reload, until_idle, visit
from harness.program import binary, request, until
from harness.receiver import OK, SECRET, settings, status


def test_a_reload_takes_webhooks_anew(hooked, receive):
    one, other = receive(), receive()
    program = hooked((one, USERS))
    visit(program, "room", "ann")
    one.until_told(("user.offline", "ann"))
    settings(program.file, (other, USERS), (one, 'match = "room"\nevents = ["user.joined"]'), extra=ROOMS)
    program.process.send_signal(signal.SIGHUP)
    program.until_logged("taken anew")
    visit(program, "room", "bob")
    other.until_told(("user.offline", "bob"))
    one.until_told(("user.joined", "bob"))
    assert ("user.online", "bob") not in one.told()
    assert (set(hooks(program)), hooks(program)["hook1"]["match"]) == ({"hook0", "hook1"}, "room")
    program.file.write_text(program.file.read_text().replace("http://", "htp://"))
    code, _, body = reload(program)
    assert (code, json.loads(body)["code"]) == (422, "settings") and len(hooks(program)) == 2
    program.file.write_text('drain = "1s"\n')
    code, _, body = reload(program)
    assert (code, json.loads(body)) == (200, {"changed": ["webhook"], "waiting": ["channel"]})
    until(lambda: not hooks(program), "none is left")


def test_where_a_reload_finds_no_certificates_webhooks_go_on(hooked, receive, tmp_path):
    authority = Authority(tmp_path)
    plain, secure = receive(), receive(tls=authority.issue("app", "localhost"))
    certificates = tmp_path / "system.pem"
    certificates.write_text("")
    program = hooked((plain, USERS), env={"SSL_CERT_FILE": str(certificates), "SSL_CERT_DIR": ""})
    until(lambda: plain.gaps() == 1, "it begins")
    settings(program.file, (plain, USERS), (secure, USERS), extra=ROOMS)
    assert reload(program)[0] == 200
    program.until_logged("webhooks go on without new certificates")
    visit(program, "room", "ann")
    plain.until_told(("user.online", "ann"), ("user.offline", "ann"))
    until(lambda: "certificates" in hooks(program)["hook1"].get("last", {}).get("error", ""), "it is told why")
    assert (hooks(program)["hook0"]["gaps"], program.metric("multiplexor_webhook_faults_total")) == (0, 1)
    certificates.write_text(authority.certificate.read_text())
    assert reload(program)[0] == 200
    visit(program, "room", "bob")
    secure.until_told(("user.online", "bob"))
    # From now on those that were read count, whatever becomes of the file.
    certificates.write_text("")
    assert reload(program)[0] == 200
    visit(program, "room", "eve")
    secure.until_told(("user.online", "eve"))
    assert program.metric("multiplexor_webhook_faults_total") == 2


def test_who_is_told_of_more_after_a_reload_lacks_what_was_before(hooked, receive):
    receiver = receive()
    program = hooked((receiver, 'match = "room.1*"\nevents = ["user.joined"]'))
    gaps = 1
    for lines, lacks in [
        ('match = "room.1"\nevents = ["user.joined"]', 0),
        ('match = "room.1"\nevents = ["user.joined", "user.left"]', 1),
        ('match = "room*"\nevents = ["user.joined", "user.left"]', 1),
        ('match = "room*"\nevents = ["user.left"]', 0),
        ('events = ["user.left"]', 1),
        ('match = "*"\nevents = ["user.left"]', 0),
    ]:
        settings(program.file, (receiver, lines), extra=ROOMS)
        assert reload(program)[0] == 200
        gaps += lacks
        visit(program, "room.1", f"after{gaps}")
        until(lambda: receiver.told()[-1:] == [("user.left", f"after{gaps}")] or "left" not in lines, "it is told")
        until_idle(program)
        until(lambda: receiver.gaps() == gaps, f"{gaps} gaps are told, and not {receiver.gaps()}: {lines}")


def test_users_that_nobody_followed_want_a_restart(hooked, receive):
    receiver = receive()
    program = hooked((receiver, 'events = ["channel.online"]'))
    settings(program.file, (receiver, USERS), extra=ROOMS)
    code, _, body = reload(program)
    assert (code, json.loads(body)) == (200, {"changed": [], "waiting": ["webhook"]})
    assert hooks(program)["hook0"]["events"] == ["channel.online"]


def test_webhooks_can_be_added_to_a_program_that_had_none(hooked, receive):
    receiver = receive()
    program = hooked()
    assert hooks(program) == {}
    settings(program.file, (receiver, 'events = ["channel.online", "user.joined"]'), extra=ROOMS)
    assert reload(program)[0] == 200
    until(lambda: receiver.gaps() == 1, "it begins")
    visit(program, "room", "ann")
    receiver.until_told(("channel.online", "room"), ("user.joined", "ann"))


def test_how_it_is_stands_in_webhooks(hooked, receive):
    receiver = receive(lambda call, number: status(500))
    program = hooked((receiver, 'match = "room*"\nevents = ["user.joined"]'))
    until(lambda: hooks(program)["hook0"]["failed"] >= 2, "it is tried again")
    one = hooks(program)["hook0"]
    assert (one["state"], one["match"], one["events"], one["url"]) == ("retrying", "room*", ["user.joined"], receiver.url)
    assert one["last"]["error"] == "it answers 500" and one["taken"] == one["lost"] == 0
    assert one["calls"] >= one["failed"] and set(one["backlog"]) == {"events", "bytes"}
    assert program.metric("multiplexor_webhooks_failing") == 1
    assert SECRET not in json.dumps(one)


def test_state_and_reload_are_for_who_may_administer_everything(serve):
    from test_access import make_key

    keys = {may: make_key() for may in ("administer", "presence")}
    entries = [f'{{ hash = "{hashed}", may = ["{may}"] }}' for may, (_, hashed) in keys.items()]
    narrow = make_key()
    entries.append(f'{{ hash = "{narrow[1]}", may = ["administer"], match = ["a"] }}')
    program = serve_with(serve, f"key = [{', '.join(entries)}]\n")
    for (key, _), allowed in ((keys["administer"], True), (keys["presence"], False), (narrow, False)):
        for method, path in (("GET", "/webhooks"), ("GET", "/settings"), ("POST", "/reload")):
            code = request(program.in_address, method, path, None, {"Authorization": f"Bearer {key}"})[0]
            assert code == (200 if allowed else 403), (path, code)


def serve_with(serve, text):
    import tempfile

    file = tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False)
    file.write(text)
    file.close()
    return serve("--config", file.name)


@pytest.mark.parametrize(
    "lines, expected",
    [
        ('url = "http://app.example/x"\nsecret = "SECRET"', "url is an address on the network without TLS"),
        ('url = "https://app.example/x"', "[[webhook]] has no secret"),
        ('secret = "SECRET"', "[[webhook]] has no url"),
        ('url = "https://a.example/"\nsecret = "whsec_AAAA"', "secret is no secret"),
        ('url = "https://a.example/"\nsecret = ["SECRET", "SECRET", "SECRET"]', "secret is no secret"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nevents = ["user.onlin"]', 'give some of "channel.online"'),
        ('url = "https://a.example/"\nsecret = "SECRET"\nmatch = "a*b"', "a * may stand at the end only"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nmatch = "a*"\nevents = ["user.online"]', "about no single channel"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nname = "a.b"', "name is"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nevent = "x"', "did you mean events?"),
        ('url = "https://a.example/"\nsecret = "SECRET"\n[[webhook]]\nurl = "https://b.example/"\nsecret = "SECRET"', "two webhooks are named"),
    ],
)
def test_what_is_wrong_in_the_settings_is_told(tmp_path, lines, expected):
    file = tmp_path / "x.toml"
    file.write_text("[[webhook]]\n" + lines.replace("SECRET", SECRET) + "\n")
    checked = subprocess.run([binary(), "config", "check", str(file)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1 and expected in checked.stderr, checked.stderr
    assert SECRET not in checked.stderr


def test_secrets_are_shown_to_nobody(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(f'[[webhook]]\nurl = "https://a.example/?key=1"\nsecret = "{SECRET}"\n')
    for flags in ([], ["--json"]):
        said = subprocess.run([binary(), "config", "--config", str(file), *flags], capture_output=True, text=True, timeout=60, check=True).stdout
        assert "webhook" in said and "whsec" not in said


def test_a_receiver_can_be_tried_by_hand(receive, tmp_path):
    receiver = receive(lambda call, number: OK if number != 2 else status(500))

    def test(*flags, env=None):
        command = [binary(), "webhook", "test", receiver.url, *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)

    done = test("--secret", SECRET)
    assert (done.returncode, "answered  200" in done.stdout, "taken" in done.stdout) == (0, True, True), done
    assert receiver.calls[0].events[0]["type"] == "webhook.test"
    done = test(env={"MULTIPLEXOR_WEBHOOK_SECRET": SECRET})
    assert (done.returncode, "answered  500" in done.stdout) == (1, True)
    assert test("--config", settings(tmp_path / "x.toml", receiver)).returncode == 0
    done = test()
    assert done.returncode == 1 and "say what to sign with" in done.stderr
    receiver.stop()
    done = test("--secret", SECRET)
    assert done.returncode == 1 and "cannot be reached" in done.stderr
