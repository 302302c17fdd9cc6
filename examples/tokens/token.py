"""Makes a token: who somebody is, which channels he may listen (subscribe) to, and for how many seconds. Python alone."""

import hashlib
import hmac
import json
import os
import sys
import time
from base64 import urlsafe_b64encode


def make_token(secret, user, channels, seconds):
    if not secret:
        raise ValueError("The secret is empty: MULTIPLEXOR_TOKEN_SECRET does not reach this program.")

    def base64url(data):
        return urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": user, "listen": channels, "iat": now, "exp": now + seconds}
    signed = base64url(b'{"alg":"HS256","typ":"JWT"}') + b"." + base64url(json.dumps(claims).encode())
    return (signed + b"." + base64url(hmac.digest(secret.encode(), signed, hashlib.sha256))).decode()


# MULTIPLEXOR_TOKEN_SECRET=… python3 token.py ann user.ann 'room.*'
if __name__ == "__main__":
    print(make_token(os.environ.get("MULTIPLEXOR_TOKEN_SECRET"), sys.argv[1], sys.argv[2:], 3600))
