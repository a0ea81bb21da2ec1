"""Speaks to the runner's socket as the daemon would, or as somebody would who has taken the daemon over: ask.py REQUEST [LOG]

REQUEST is a line of JSON, or anything else; LOG is a file that is opened for appending and handed over. Prints the answer.
"""

import os
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.settimeout(60)
connection.connect("/run/bittern/runner.sock")
line = sys.argv[1].encode() + b"\n"
if len(sys.argv) > 2:
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    socket.send_fds(connection, [line], [log])
else:
    connection.sendall(line)
print(connection.makefile().readline(), end="")
