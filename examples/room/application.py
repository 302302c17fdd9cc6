"""The application in Django, in one file: who somebody is, the token that says so, and the moderator's button."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path

CHANNEL = "room.1"
SECRET = os.environ["MULTIPLEXOR_TOKEN_SECRET"]
LINE = os.environ.get("MULTIPLEXOR", "http://127.0.0.1:10010")
PAGE = pathlib.Path(__file__).with_name("index.html")

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    # A real application has CsrfViewMiddleware, too.
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=hashlib.sha256(b"sessions of " + SECRET.encode()).hexdigest(),
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)


def token(user):
    def base64url(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": user, "listen": [CHANNEL], "publish": [CHANNEL], "info": {"name": user}, "iat": now, "exp": now + 600}
    signed = base64url(b'{"alg":"HS256"}') + b"." + base64url(json.dumps(claims).encode())
    return (signed + b"." + base64url(hmac.digest(SECRET.encode(), signed, "sha256"))).decode()


def session(request):
    # Stands for your sign-in: whoever comes is who he says, and Mo moderates.
    if request.POST.get("me", "").strip():
        request.session["me"] = request.POST["me"].strip()[:40]
    me = request.session.get("me")
    if me is None or ("end" in request.POST and me != "Mo"):
        return HttpResponse(status=403)
    if "end" in request.POST:
        how = urllib.parse.urlencode({"reason": "The moderator has shown you out.", "for": 60})
        url = f"{LINE}/users/{urllib.parse.quote(request.POST['end'], safe='')}?{how}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5) as answer:
                return HttpResponse(answer.read(), content_type="application/json")
        except (urllib.error.URLError, TimeoutError):
            return HttpResponse(status=502)
    return JsonResponse({"me": me, "moderates": me == "Mo", "channel": CHANNEL, "token": token(me)})


urlpatterns = [path("session", session), path("", lambda _: HttpResponse(PAGE.read_bytes()))]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", *sys.argv[1:]])
