"""Verify the host and the origin of requests."""

import logging
import re
import socket
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Scope

from classify.inference.serve.options import ServeOptions, host_name

log = logging.getLogger("wav2emo")

HOST = re.compile(r"(?P<name>\[[\d.:a-f]+\]|[^][\s:/?#@\\]+)(:(?P<port>\d{0,5}))?", re.IGNORECASE)
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>.+)", re.IGNORECASE)
PORTS = {"http": "80", "https": "443"}
LOCAL = ("localhost", "127.0.0.1", "::1")
LOGGED = 20  # refused names that are logged, each once
LONGEST = 100  # characters of a header that are repeated


class Hosts:
    """Checks the headers ``Host`` and ``Origin``, against DNS rebinding and cross-site requests.

    A page of evil.example may make this name resolve to 127.0.0.1 and then read responses, since
    both are one site for the browser. ``Host`` is still evil.example. Pages of other sites can send
    requests without reading the responses; ``Origin`` names their site.

    Starlette's ``TrustedHostMiddleware`` has a fixed list of names. It checks neither the address
    of the connection, which a server at 0.0.0.0 needs, nor ``Origin``.
    """

    def __init__(self, options: ServeOptions) -> None:
        own = [*LOCAL, options.host, *([] if options.is_local else [socket.gethostname()])]
        self._own = {name for name in map(host_name, own) if name}
        self._allowed = {name for name in map(host_name, options.allow_host) if name}
        self._logged: set[str] = set()

    def refused(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """The reason for which a request is refused; None: it is not."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        requested = HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else None
        if requested is None:
            got = ", ".join(hosts)[:LONGEST]
            return HTTPStatus.BAD_REQUEST, f"Host: expected the name of this server, got {got!a}"
        name = host_name(requested["name"])
        address = host_name(scope["server"][0]) if scope.get("server") else None  # its own
        if name is None or name not in {*self._own, *self._allowed, address}:
            return HTTPStatus.MISDIRECTED_REQUEST, self._noted(
                f"no server for the host {requested['name'][:LONGEST]!a} here; if it is a name of "
                f"this server, start it with --allow-host {requested['name'][:LONGEST]!a}"
            )
        if scope["method"] in ("GET", "HEAD"):
            return None
        for origin in origins:
            if not self._same_site(origin, name, requested["port"]):
                return HTTPStatus.FORBIDDEN, self._noted(
                    f"a page of {origin[:LONGEST]!a} may not send requests to the host "
                    f"{requested[0][:LONGEST]!a}; if a proxy serves this one under another name, "
                    "start it with --allow-host NAME"
                )
        return None

    def _same_site(self, origin: str, name: str | None, port: str | None) -> bool:
        """Whether a page is this server's own: of the host and port that its request names, or of
        an allowed name at its usual port, for a proxy that does not pass ``Host`` on."""
        found = ORIGIN.fullmatch(origin)
        page = HOST.fullmatch(found["host"]) if found else None
        if not (found and page):
            return False  # "null", too: a sandboxed frame, a file
        usual = PORTS[found["scheme"].lower()]
        its_name, its_port = host_name(page["name"]), page["port"] or usual
        if (its_name, its_port) == (name, port or usual):
            return True
        return its_name in self._allowed and its_port == usual

    def _noted(self, reason: str) -> str:
        if reason not in self._logged and len(self._logged) < LOGGED:
            self._logged.add(reason)
            log.warning("a request is refused: %s", reason)
        return reason
