"""/usr/bin/python3 -m sidecar: serves, and prints one line `listening on http://HOST:PORT` when it does."""

from __future__ import annotations

import socket

import uvicorn

from . import settings
from .app import make_app


def main() -> None:
    wanted = settings.read()
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((wanted.host, wanted.port))
    listener.listen(128)
    server = uvicorn.Server(uvicorn.Config(make_app(wanted), log_level="warning", limit_concurrency=wanted.concurrency))
    host, port = listener.getsockname()[:2]
    print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
