"""A worker process: does the calls that come through its connection, until that is closed.

It ignores Ctrl-C and a closing terminal, which reach every process of a terminal: its parent decides. At SIGTERM, and
when its parent is gone, it saves the checkpoint of its training and ends.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from rnnspike.runs.engines.logs import Messages, send

#: Signals that the parent alone hears (not every system has both).
OURS = {getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)}
#: Seconds to save checkpoints, and the exit code of a worker that was told to end.
GRACE_S, TOLD_TO_END = 20.0, 143


def serve(calls: Connection, messages: Messages) -> None:
    """Do what is asked for: (function, arguments) in, (result, error, traceback) out."""
    _prepare(messages)
    while True:
        try:
            fn, args = calls.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[Any, BaseException | None, str] = (fn(*args), None, "")
        except SystemExit:
            os._exit(TOLD_TO_END)
        except BaseException as error:
            answer = None, error, traceback.format_exc()
        packed = _pickled(answer)
        try:
            calls.send_bytes(packed)
        except OSError:  # nobody waits for it any more
            return


def _pickled(answer: tuple[Any, BaseException | None, str]) -> bytes:
    """Return an answer as bytes; an error that cannot be sent or rebuilt as one of the same text that can."""
    _, error, text = answer
    try:
        packed = pickle.dumps(answer)
        if error is not None:
            pickle.loads(packed)
    except Exception as unsendable:
        cause = error or unsendable
        return pickle.dumps((None, RuntimeError(f"{type(cause).__name__}: {cause}"), text or traceback.format_exc()))
    return packed


def _prepare(messages: Messages) -> None:
    """Let a worker log where its parent does, and end it by an exception."""
    send(messages)

    told = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        told.set()
        raise SystemExit(TOLD_TO_END)

    def dropped(unraisable: sys.UnraisableHookArgs) -> None:
        """Send the request to end once more where Python dropped it, as it does in callbacks of weak references."""
        if isinstance(unraisable.exc_value, SystemExit):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        elif not told.is_set():  # what the end itself breaks is not reported
            sys.__unraisablehook__(unraisable)

    signal.signal(signal.SIGTERM, stop)
    sys.unraisablehook = dropped
    for each in OURS:
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(TOLD_TO_END)
