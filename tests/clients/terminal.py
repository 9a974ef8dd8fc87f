"""Runs a command on a terminal of its own, types the line that comes on standard input, and prints what is on the screen."""

import os
import pty
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
os.write(terminal, sys.stdin.readline().encode())
while True:
    try:
        piece = os.read(terminal, 1000)
    except OSError:
        break
    if not piece:
        break
    sys.stdout.buffer.write(piece)
sys.stdout.flush()
print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
