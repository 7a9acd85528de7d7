"""``python -m classify serve``: serve a trained head as a web page and an HTTP interface."""

import errno
import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from classify.commands.arguments import add_device, add_encoder, add_model
from classify.inference.serve.options import FIRST_PORT, ServeOptions
from data.console import Parser, show
from data.errors import UsageError
from data.options import add_options, from_arguments

log = logging.getLogger("wav2emo")

PORTS = 100  # tried from `FIRST_PORT` on
SHUTDOWN = 3  # seconds for open connections to finish when the server stops
QUIET = {  # settings of Gradio and of the hub's client: send no reports
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify serve",
        description="Serve a page to record or drop a recording and see predictions, and the same "
        "for programs: curl -T FILE http://HOST:PORT/predict. Stop it with Ctrl-C.",
    )
    add_model(parser)
    add_options(parser, ServeOptions)
    add_encoder(parser)
    add_device(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command until it is stopped; return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(ServeOptions, arguments)
    if find_spec("gradio") is None:
        raise UsageError("the page needs Gradio: pip install 'wav2emo[serve]'")

    from classify.models.trained import TrainedHead

    model = TrainedHead.load(arguments.model)
    with listening(options) as server, tempfile.TemporaryDirectory(prefix="wav2emo-") as root:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=f"{root}/sent")  # read when Gradio is imported
        import uvicorn

        from classify.inference.predictor import Predictor
        from classify.inference.serve.app import application
        from classify.inference.serve.queue import RequestQueue
        from classify.inference.serve.uploads import Uploads

        uploads = Uploads(Path(root), options.most_bytes)
        requests = RequestQueue(Predictor.open(model, arguments.device, arguments.encoder), options)
        app = application(model, arguments.model, requests, uploads, address(server))
        if not options.is_local:
            log.warning(
                "--host %s: anyone who can reach this machine can use the page; there is no "
                "password",
                options.host,
            )
        show(f"{address(server)}  (Ctrl-C stops it)")
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN,
        )
        uvicorn.Server(config).run([server])
    return 0


def listening(options: ServeOptions) -> socket.socket:
    """Open a socket at the address of the options.

    Raises:
        UsageError: the port is in use, or the host is not an address of this machine.
    """
    if options.port is not None:
        ports = range(options.port, options.port + 1)
    else:
        ports = range(FIRST_PORT, FIRST_PORT + PORTS)
    for port in ports:
        try:
            family, *_, place = socket.getaddrinfo(
                options.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            server = socket.create_server(place, family=family, backlog=128)
            # inherited by connections; asyncio does not set it on those of a given socket, and
            # clients would delay the acknowledgement of each response by 40 ms
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = error.strerror or error
                raise UsageError(f"--host {options.host} --port {port}: {reason}") from None
            if options.port is None:
                log.info("port %d is in use", port)
        else:
            return server
    which = f"--port {ports[0]}: in use" if len(ports) == 1 else f"{FIRST_PORT}–{ports[-1]} in use"
    raise UsageError(f"{which}; name another one, or --port 0 for any that is free")


def address(server: socket.socket) -> str:
    """The URL of the socket for a browser on this machine."""
    host, port = server.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
