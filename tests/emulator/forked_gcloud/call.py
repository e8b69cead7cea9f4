"""Lets the server fork a gcloud with all that this process has, and exits as that does.

A signal ends this process as it would gcloud; the server then ends the fork.
"""

import os
import socket
import sys

address, *arguments = sys.argv[1:]
environ = [f"{name}={value}" for name, value in os.environ.items()]
# Without json and pathlib, whose imports take longer than all the rest.
request = os.fsencode("\0".join([str(len(arguments)), *arguments, os.getcwd(), *environ]))  # noqa: PTH109
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(request)
    status = connection.recv(4)
sys.exit(int.from_bytes(status, "big"))
