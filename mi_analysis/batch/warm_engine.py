"""A papermill engine whose kernel is forked: ``papermill --engine mi in.ipynb out.ipynb``, from anywhere.

A clean process without threads, the zygote, sets up IPython's kernel once, imports what a static look at the notebook
finds, and gives every notebook a forked child. The child runs ipykernel's own code; its "sockets" are one Unix socket. On
this side papermill's engine has another kernel manager: limits, interrupts, errors and widgets are papermill's own.

Where it does not apply (Windows, other kernels, an untested ipykernel) papermill's own engine runs the notebook and the
log says so. Imports happen before the parameters, but for those that print, start a thread, or follow a changed environment.
"""

import asyncio
import atexit
import contextlib
import gc
import hashlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Client, Connection, wait
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import psutil
from jupyter_client.client import KernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

TESTED = ("7.4.",)  # versions of ipykernel that the tests of equality were run with
UNSTEADY = ("_", "PWD", "OLDPWD", "SHLVL", "PYTEST_CURRENT_TEST")  # variables that no import looks at
COMMAND = [sys.executable, "-c", "import os, sys; os.fork() and os._exit(0); os.setsid(); del sys.path[0]; "
           "from runpy import run_module; run_module('mi_analysis.batch.warm_engine', run_name='__main__')"]  # fmt: skip
TICK, PATIENCE = 0.2, 5.0  # seconds between looks, and for a kernel to end by itself


class Wire:
    """One connection on which messages go whole, whoever interrupts; what is sent before there is one is counted."""

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection, self.lost, self.lock = connection, 0, threading.RLock()

    def send(self, channel: str, parts: list[Any], **_: Any) -> None:
        """Send what `jupyter_client.session.Session` made of a message; a KeyboardInterrupt waits until all is sent."""
        if self.connection is None:
            self.lost += 1
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with self.lock:
                self.connection.send((channel, [bytes(part) for part in parts]))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- the zygote and its children -------------------------------------------------------------------------------------


def zygote(number: int, names: list[str]) -> None:
    """Set up a kernel and import; then fork a child for whoever asks, until nobody holds a lease."""
    listener, environment, wire = socket.socket(fileno=number), dict(os.environ), Wire()
    app, streams = _kernel_app(wire)
    wire.lost = 0
    for name in names:
        with contextlib.suppress(BaseException):  # the notebook will say itself what is wrong
            module, _, attribute = name.partition(":")
            if not hasattr(importlib.import_module(module), attribute or "__name__"):
                importlib.import_module(f"{module}.{attribute}")
        for stream in streams:
            stream.flush()
        if wire.lost or threading.active_count() > 1:
            os.execv(COMMAND[0], [*COMMAND, json.dumps([number, [other for other in names if other != name]])])
    gc.freeze()  # the children share what is here
    changed = {name: value for name, value in os.environ.items() if environment.get(name) != value}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    leases: list[Any] = []
    while found := wait([listener, *leases], None if leases else PATIENCE):
        for ready in found:
            if ready is not listener:  # a lease says nothing but its end
                leases.remove(ready)
                continue
            wire.connection = Connection(listener.accept()[0].detach())
            with contextlib.suppress(EOFError, OSError):  # whoever asked is gone
                if (asked := wire.connection.recv()) is None:
                    leases.append(wire.connection)
                elif os.fork() == 0:
                    try:
                        for other in (listener, *leases):
                            other.close()
                        os.environ.clear()
                        os.environ.update(asked["environment"] | changed)
                        os.chdir(asked["folder"])
                        _child(wire, wire.connection, app.kernel, streams)
                    finally:
                        os._exit(0)
                else:
                    wire.connection.close()  # the child's alone, so that its end is seen on the other side
    Path(listener.getsockname()).unlink(missing_ok=True)


def _kernel_app(wire: Wire) -> Any:
    """The kernel as ipykernel sets it up, profile and start-up files too, but without sockets and threads."""
    from ipykernel.displayhook import ZMQDisplayHook
    from ipykernel.iostream import IOPubThread, OutStream
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from traitlets import Any as AnyTrait

    session = Session(key=b"mi")
    shell, iopub = (SimpleNamespace(send_multipart=partial(wire.send, name)) for name in ("shell", "iopub"))

    class Publisher(IOPubThread):  # in place of the thread that sends: sends at once
        def __init__(self) -> None:
            self.thread, self.send_multipart = None, iopub.send_multipart  # type: ignore[method-assign]
            self.io_loop = SimpleNamespace(call_later=lambda *_: None)  # the watch flushes what lies too long

        schedule = staticmethod(lambda send: send())

    class Stream(OutStream):  # what forks off a child writes past it, to the descriptor that is watched
        said = -1

        def open(self, number: int) -> None:
            self.number, self._master_pid, self._original_stdstream_copy = number, os.getpid(), os.dup(number)
            self.said, own = os.pipe()
            os.set_blocking(self.said, False)
            os.dup2(own, number)
            os.close(own)

        def write(self, string: str) -> Any:
            if os.getpid() != self._master_pid:
                return os.write(self.number, string.encode(errors="replace"))
            self.drain()
            return super().write(string)

        def drain(self) -> None:  # take in what was written to the descriptor
            with self._buffer_lock, contextlib.suppress(OSError):
                super().write(os.read(self.said, 1 << 18).decode(errors="replace"))

        def _flush(self) -> None:
            if os.getpid() == self._master_pid:
                with self._buffer_lock:
                    self.drain()
                    super()._flush()

    class Kernel(IPythonKernel):
        shell_stream = AnyTrait()
        _supports_kernel_subshells = False

        def _abort_queues(self, *_: Any) -> None: ...  # nothing is queued: the client waits for each reply

    class App(IPKernelApp):
        init_poller = init_connection_file = init_sockets = init_heartbeat = lambda _: None
        write_connection_file = log_connection_info = lambda _: None  # type: ignore[assignment]

        def init_io(self) -> None:
            sys.stdout, sys.stderr = streams
            self.displayhook = sys.displayhook = ZMQDisplayHook(session, iopub)
            self.patch_io()

        def init_kernel(self) -> None:
            self.kernel = Kernel.instance(
                parent=self, session=session, iopub_socket=iopub, shell_stream=shell, log=self.log, user_ns=self.user_ns,
                shell_channel_thread=SimpleNamespace(parent_thread=threading.main_thread()), profile_dir=self.profile_dir,
            )  # fmt: skip
            self.displayhook.get_execution_count = lambda: self.kernel.execution_count

    publisher = Publisher()
    streams = [Stream(session, publisher, name, watchfd=False) for name in ("stdout", "stderr")]
    sys.argv = [importlib.import_module("ipykernel_launcher").__file__ or "", "-f", ""]
    (app := App.instance(session=session)).initialize(["--HistoryManager.enabled=False"])
    return app, streams


def _child(wire: Wire, connection: Connection, kernel: Any, streams: list[Any]) -> None:
    """One notebook's kernel, from fork to end."""
    import zmq
    from ipykernel.utils import _async_in_context
    from tornado.ioloop import IOLoop

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kernel.session.pid = os.getpid()
    for number, stream in enumerate(streams, 1):
        stream.open(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    kernel.io_loop = kernel.shell_stream.io_loop = IOLoop.current()
    answer, at_work = _async_in_context(partial(kernel.shell_main, None)), set()

    def read() -> None:
        at_work.add(task := loop.create_task(answer([zmq.Message(part) for part in connection.recv()[1]])))
        task.add_done_callback(at_work.discard)

    loop.add_reader(connection.fileno(), read)
    threading.Thread(target=_watch, args=(connection.fileno(), streams), daemon=True, name="watch").start()
    wire.send("start", [str(os.getpid()).encode()])
    kernel.io_loop.start()  # until a request to shut down
    atexit._run_exitfuncs()
    for stream in streams:
        stream.flush()


def _watch(connection: int, streams: list[Any]) -> None:
    """Pass on what is written to the descriptors and what lies in a stream; end with the client."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    client = socket.socket(fileno=os.dup(connection))
    while True:
        wait([stream.said for stream in streams], TICK)
        try:
            for stream in streams:
                stream._flush()
            gone = not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:  # nothing to read is no end; a connection that breaks is one
            gone = not isinstance(error, BlockingIOError)
        if gone:
            os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    zygote(*json.loads(sys.argv[1]))
    sys.exit()

# --- papermill's side; the kernel's process has no need of it --------------------------------------------------------

from papermill.engines import NBClientEngine  # noqa: E402
from papermill.log import logger  # noqa: E402

from mi_analysis.batch.notebook import imports  # noqa: E402

kernels: dict[int, tuple[float, int]] = {}  # CPU seconds and bytes of memory of each, when last seen
_leases: dict[Path, Connection] = {}


class Engine(NBClientEngine):
    """papermill's engine, with kernels that are forked."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        """Run a notebook; with papermill's own kernels where forked ones do not apply."""
        why_not = _why_not(kernel_name, kwargs)
        try:
            if not why_not:
                kwargs["kernel_manager_class"] = _forked(imports(nb_man.nb), kwargs.get("start_timeout") or 60)
        except (OSError, EOFError) as error:
            why_not = f"no kernel could be forked ({error})"
            _leases.clear()
        if why_not:
            logger.warning("engine mi: %s; papermill's own engine runs this notebook.", why_not)
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def _why_not(kernel_name: str, options: dict[str, Any]) -> str:
    """Why a forked kernel does not apply; blank where it does."""
    if not hasattr(os, "fork"):
        return "this system cannot fork"
    spec = KernelSpecManager().get_kernel_spec(kernel_name)
    python, *rest = spec.argv
    if spec.env or rest[:2] != ["-m", "ipykernel_launcher"] or python not in (sys.executable, "python", "python3"):
        return f"the kernel {kernel_name} is not this Python's own"
    if not version("ipykernel").startswith(TESTED):
        return f"it is not tested with ipykernel {version('ipykernel')}"
    return "another kernel manager is asked for" if "kernel_manager_class" in options else ""


def _forked(names: list[str], patience: float) -> type:
    """The manager of a kernel forked from a zygote that has imported these, and stays while it is asked.

    Processes of one parent share their zygotes: the workers of a run, on each machine.
    """
    import fcntl

    environment, place = dict(os.environ), str(Path.cwd())
    steady = sorted(item for item in environment.items() if item[0] not in UNSTEADY)
    folder = Path(tempfile.gettempdir()) / f"mi-{os.getuid()}"
    parts = [sys.executable, os.getppid(), place, steady, names]
    address = folder / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.lstat().st_mode & 0o077:
        raise PermissionError(f"{folder} is another's")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            lease = _leases.get(address) or _dial(address)
        except OSError:
            address.unlink(missing_ok=True)
            with socket.create_server(str(address), family=socket.AF_UNIX, backlog=128) as listener:
                told, quiet = json.dumps([listener.fileno(), names]), subprocess.DEVNULL
                subprocess.run([*COMMAND, told], pass_fds=[listener.fileno()], stdin=quiet, stdout=quiet)
            lease = _dial(address)
        _leases.clear()  # lets go of another one
        _leases[address] = lease
        connection = _dial(address, {"environment": environment, "folder": place})
    if not connection.poll(patience):
        raise TimeoutError(f"nothing was ready after {patience:.0f} s")
    kernels[process := int(connection.recv()[1][0])] = 0.0, 0
    return type("Own", (_Kernel,), {"wire": Wire(connection), "process": process})


def _dial(address: Path, asked: dict[str, Any] | None = None) -> Connection:
    connection = Client(str(address), "AF_UNIX")
    connection.send(asked)
    return connection


class _Kernel(KernelManager, KernelClient):
    """A kernel that is there already, as nbclient handles kernels: their manager and client in one."""

    wire: Any
    process: int
    ended = has_kernel = False
    shell_channel: Any = None
    iopub_channel: Any = None

    def __init__(self, **options: Any) -> None:
        super().__init__(session=Session(key=b"mi"), **options)
        self.arrived: dict[str, deque[Any]] = {"shell": deque(), "iopub": deque()}
        self.waiting: set[asyncio.Future[None]] = set()
        self.number = self.wire.connection.fileno()
        self.shell_channel = SimpleNamespace(send=self._send, get_msg=partial(self._message, "shell"))
        self.iopub_channel = SimpleNamespace(get_msg=partial(self._message, "iopub"))

    start_channels = stop_channels = wait_for_ready = lambda *_, **__: None

    def start_kernel(self, **_: Any) -> None:
        self.has_kernel = True

    def client(self, **_: Any) -> Any:
        return self

    def is_alive(self) -> bool:
        with contextlib.suppress(psutil.Error):
            kernel = psutil.Process(self.process)
            kernels[self.process] = sum(kernel.cpu_times()[:4]), max(kernels[self.process][1], kernel.memory_info().rss)
            return not self.ended
        return False

    def interrupt_kernel(self) -> None:
        os.killpg(self.process, signal.SIGINT)

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
        _, until = self.is_alive(), time.monotonic() + PATIENCE  # what it used is seen before it ends
        self.shell_channel.send(self.session.msg("shutdown_request", {"restart": restart}))
        while not now and self.is_alive() and time.monotonic() < until:
            await self._more(TICK)

    def cleanup_resources(self, restart: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process, signal.SIGKILL)
        self.ended = True
        asyncio.get_running_loop().remove_reader(self.number)  # the next connection may get the same number
        self.wire.connection.close()

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # that a kernel is gone is found by `is_alive`
            self.wire.send("shell", self.session.serialize(message))

    async def _message(self, channel: str, timeout: float | None = None) -> dict[str, Any]:
        until = None if timeout is None else time.monotonic() + timeout
        while not self.arrived[channel]:
            if not await self._more(None if until is None else until - time.monotonic()):
                raise Empty
        return self.arrived[channel].popleft()

    async def _more(self, timeout: float | None) -> bool:
        loop = asyncio.get_running_loop()
        self.waiting.add(arrival := loop.create_future())
        if not self.ended:
            loop.add_reader(self.number, self._read, loop)
        try:
            await asyncio.wait_for(arrival, timeout)
        except TimeoutError:
            return False
        finally:
            self.waiting.discard(arrival)
            if not self.waiting and not self.ended and not loop.is_closed():
                loop.remove_reader(self.number)
        return True

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            name, parts = self.wire.connection.recv()
            self.arrived[name].append(self.session.deserialize(self.session.feed_identities(parts)[1]))
        except (EOFError, OSError):
            self.ended = True
            loop.remove_reader(self.number)
        for arrival in self.waiting:
            if not arrival.done():
                arrival.set_result(None)
