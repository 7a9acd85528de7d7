"""``python -m classify serve``: serve a trained head as a web page and an HTTP interface."""

import argparse
import errno
import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from classify.inference.serve.options import FIRST_PORT, ServeOptions
from data.console import Parser, common_options, configure_logging, show
from data.errors import UsageError

log = logging.getLogger("wav2emo")

PORTS = 100  # tried from `FIRST_PORT` on
SHUTDOWN = 3  # seconds for open connections to finish when the server stops
QUIET = {  # settings of Gradio and of the hub's client: send no reports
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    default = ServeOptions()
    parser = Parser(
        prog="python -m classify serve",
        description="Serve a page to record or drop a recording and see predictions, and the same "
        "for programs: curl -T FILE http://HOST:PORT/predict. Stop it with Ctrl-C.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder from 'classify train'")
    parser.add_argument(
        "--host",
        default=default.host,
        help="address to listen at; 0.0.0.0 accepts requests from other machines "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="accept requests to this host name too, such as that of a proxy; may be repeated "
        "(default: the address it listens at and localhost)",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"port; 0: any free port (default: the first free port from {FIRST_PORT} on)",
    )
    parser.add_argument(
        "--max-mb",
        type=float,
        default=default.max_mb,
        metavar="MB",
        help="refuse larger recordings (default: %(default)g)",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=default.max_seconds,
        metavar="S",
        help="refuse longer recordings (default: %(default)g)",
    )
    parser.add_argument(
        "--queue",
        type=int,
        default=default.queue,
        metavar="N",
        help="recordings that may wait; more are refused (default: %(default)s)",
    )
    parser.add_argument(
        "--window",
        type=float,
        default=default.window,
        metavar="S",
        help="window of the timeline in seconds (default: %(default)g)",
    )
    parser.add_argument(
        "--hop",
        type=float,
        default=default.hop,
        metavar="S",
        help="step between windows in seconds (default: %(default)g)",
    )
    parser.add_argument(
        "--encoder", metavar="PATH", help="folder of the model's encoder, if it was moved"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda[:N] or mps")
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command until it is stopped; return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    chosen = {name: getattr(arguments, name) for name in ServeOptions.__dataclass_fields__}
    options = ServeOptions(**chosen)
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
