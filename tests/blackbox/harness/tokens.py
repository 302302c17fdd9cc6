"""Tokens and signatures made by hand, as any application could."""

import base64
import hashlib
import hmac
import json
import time

SECRET = "an-example-secret-of-more-than-32-characters"


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mac(text):
    return coded(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())


def make_token(**claims):
    claims.setdefault("exp", int(time.time()) + 60)
    signed = coded(b'{"alg":"HS256","typ":"JWT"}') + "." + coded(json.dumps(claims).encode())
    return f"{signed}.{mac(signed)}"
