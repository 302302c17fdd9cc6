"""Tokens and signatures made by hand, as any application could."""

import base64
import hashlib
import hmac
import json
import time
import urllib.parse

SECRET = "an-example-secret-of-more-than-32-characters"


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mac(text):
    return coded(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())


def make_token(**claims):
    claims.setdefault("exp", int(time.time()) + 60)
    signed = coded(b'{"alg":"HS256","typ":"JWT"}') + "." + coded(json.dumps(claims).encode())
    return f"{signed}.{mac(signed)}"


def signed_url(names, expires, user="", iat="", method="GET"):
    """A path with its signature, in which each name stands as it is given."""
    text = "\n".join(["multiplexor-url-2", method, urllib.parse.unquote(names), str(expires), user, str(iat)])
    said = {"user": user, "iat": iat} if user or iat else {}
    query = urllib.parse.urlencode({"expires": expires} | said | {"signature": f"v2.{mac(text)}"})
    return f"/sub/{names}?{query}"
