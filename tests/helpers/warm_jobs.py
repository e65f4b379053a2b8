"""Jobs of a workflow without their imports: a study of a hundred jobs pays those once, not 6 s in each.

``python warm_jobs.py serve SOCKET`` imports what jobs import, and then is forked for each job, which so starts where a
fresh one would be after its imports. ``python warm_jobs.py snakemake SOCKET ...`` is Snakemake, told that its Python is
`client`, which hands a job's script to the server, with its folder, environment and outputs, and ends as the job does.
"""

import array
import atexit
import json
import os
import socket
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "workflow/scripts"
_CLIENT = """#!{python} -IS
import array, json, os, socket, sys
if not sys.argv[1:2] or not sys.argv[1].endswith(".py"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
job = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
server.sendmsg([len(job).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(job)
answer = b"".join(iter(lambda: server.recv(64), b""))  # to the end of the job's process
sys.exit(int(answer or b"1"))
"""


@contextmanager
def warm(folder, environment):
    """A server of jobs with an environment; the words that a command begins with to be Snakemake with these jobs."""
    import subprocess

    address = str(Path(folder) / "jobs.sock")
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", address], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield [sys.executable, __file__, "snakemake", address]
    finally:
        process.kill()
        process.wait()
        Path(address).unlink(missing_ok=True)


def serve(address):
    sys.path.insert(0, str(LIBRARY))
    import gc

    import matplotlib.pyplot  # noqa: F401
    import pandas  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import transformers.models.auto.modeling_auto  # noqa: F401

    import seqlm.attribution
    import seqlm.inference.embedding
    import seqlm.models.language.hub
    import seqlm.training  # noqa: F401

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(16)
    gc.freeze()  # a collection in a job would touch, and so copy, all of this
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            break
        connection.close()
        with suppress(ChildProcessError):  # jobs that have ended
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    run(connection)


def run(connection):
    import runpy
    import traceback

    head, ancillary, *_ = connection.recvmsg(8, socket.CMSG_SPACE(12), socket.MSG_WAITALL)
    streams = array.array("i")
    streams.frombytes(ancillary[0][2][:12])
    size, text = int.from_bytes(head, "big"), b""
    while len(text) < size:
        text += connection.recv(size - len(text))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    arguments, folder, environment = json.loads(text)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).parent)
    code = 0
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(code).encode())
    os._exit(code)  # taking everything down takes longer than most jobs


def snakemake(address, *arguments):
    from snakemake.cli import main

    client = Path(address).with_suffix(".client")
    client.write_text(_CLIENT.format(python=sys.executable, address=address))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    sys.executable, sys.argv = str(client), ["snakemake", *arguments]
    sys.exit(main(list(arguments)))


if __name__ == "__main__":
    {"serve": serve, "snakemake": snakemake}[sys.argv[1]](*sys.argv[2:])
